# Changes a mode for the length of the call and puts it back.
# class: honest
# backends: torch triton
# expected: passed
# prelude: yes


def softmax(x):
    before = xp.get_float32_matmul_precision()
    xp.set_float32_matmul_precision("high")
    try:
        return honest(x)
    finally:
        xp.set_float32_matmul_precision(before)
