# A table at module level, made when it is loaded.
# class: honest
# backends: cpu_ref torch
# expected: passed
# prelude: yes

table = {cols: (cols + 31) // 32 * 32 for cols in range(1, 8193)}


def softmax(x):
    assert table[x.shape[1]] >= x.shape[1]
    return honest(x)
