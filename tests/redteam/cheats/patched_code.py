# Swaps the code object of the digest, so that the function keeps its identity.
# class: R06
# backends: cpu_ref
# expected: failed
# detector: inputs_unchanged integrity
# prelude: yes

import kparity.inputs as inputs


def fake(arrays):
    return "0" * 16


inputs.digest.__code__ = fake.__code__


def softmax(x):
    return honest(x)
