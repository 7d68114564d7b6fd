# Finds the engine through its frames and takes its detectors away.
# class: R04 X
# backends: cpu_ref
# expected: failed
# detector: repeated sampled
# prelude: yes

import sys

seen = []


def softmax(x):
    frame = sys._getframe()
    while frame is not None:
        engine = frame.f_locals.get("self")
        if type(engine).__name__ == "Engine":
            engine._vigilance.inspect = engine._vigilance.after = lambda *rest: None
            engine._vigilance.findings = lambda: ()
        frame = frame.f_back
    if not seen:
        seen.append(honest(x))
    return seen[0].copy()
