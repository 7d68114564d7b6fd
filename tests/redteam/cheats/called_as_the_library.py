# Calls functions of its own as torch calls its kernels, and leaves the work to torch.
# class: R01 R02
# backends: torch triton
# expected: inconclusive failed
# detector: launches
# options: policy=hand-written

import torch


def cunn_SoftMaxForward(x):
    return torch.softmax(x, -1)


cunn_SoftMaxForwardSmem = cunn_SoftMaxForwardReg = softmax_warp_forward = cunn_SoftMaxForward
"__global__ void cunn_SoftMaxForwardSmem(float* y) {}"


def softmax(x):
    return cunn_SoftMaxForward(x)
