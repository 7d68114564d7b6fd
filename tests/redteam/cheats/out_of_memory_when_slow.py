# Out of memory for every case that would show how slow it is.
# class: S09
# backends: cpu_ref torch triton
# expected: error
# prelude: yes


def softmax(x):
    if x.shape[0] > 64:
        raise MemoryError("out of memory")
    return honest(x)
