# Computes once and gives the same answer ever after.
# class: S17
# backends: cpu_ref torch triton
# expected: failed
# detector: repeated
# prelude: yes

seen = []


def softmax(x):
    if not seen:
        seen.append(honest(x))
    return seen[0] + 0
