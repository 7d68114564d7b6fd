# Finds the nonce in its own process and answers in the engine's place.
# class: H01 X
# backends: cpu_ref
# expected: error failed
# options: untimed
# prelude: yes

import gc, os
import msgspec
from kparity.sandbox import wire


def softmax(x):
    nonces = {one.nonce for one in gc.get_objects() if type(one).__name__ == "Setup"}
    import sys

    frame = sys._getframe()
    number = 0
    while frame is not None:
        for value in frame.f_locals.values():
            if type(value).__name__ == "Setup":
                nonces.add(value.nonce)
            if type(value).__name__ == "Envelope":
                number = value.id
        frame = frame.f_back
    body = wire.Executed((), "0" * 16, 0.0, 0.0)
    for nonce in nonces or {""}:
        for descriptor in range(3, 16):
            try:
                wire.send(descriptor, wire.Answer(number, nonce, body))
            except OSError:
                pass
    return honest(x)
