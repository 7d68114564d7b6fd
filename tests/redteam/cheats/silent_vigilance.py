# Finds the engine through its frames and takes its detectors away.
# class: R04 X
# backends: cpu_ref
# expected: failed
# detector: repeated sampled
# prelude: yes

import sys

from kparity.sandbox.engine import Seen

known = []


def softmax(x):
    frame = sys._getframe()
    while frame is not None:
        engine = frame.f_locals.get("self")
        if "Engine" in type(engine).__name__:
            engine._vigilance.inspect = engine._vigilance.after = lambda *rest: None
            engine._vigilance.seen = Seen
        frame = frame.f_back
    if not known:
        known.append(honest(x))
    return known[0].copy()
