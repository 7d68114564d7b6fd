# The backend waits for nothing.
# class: R06 T01
# backends: torch
# expected: failed
# detector: integrity
# prelude: yes

from kparity_torch.backend import TorchBackend

TorchBackend.synchronize = TorchBackend.wait = lambda self, outputs: None


def softmax(x):
    return honest(x)
