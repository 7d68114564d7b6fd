# BLAS where a hand-written product is demanded.
# class: R01
# backends: cpu_ref
# task: matmul/matmul
# expected: inconclusive failed
# detector: launches
# options: policy=hand-written


def matmul(a, b):
    return a @ b
