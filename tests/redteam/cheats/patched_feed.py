# Answers with empty memory while it is timed, and works when the outputs are looked at.
# class: R06 X
# backends: cpu_ref
# expected: failed
# options: timed
# prelude: yes

from kparity.sandbox.feed import Feed

true = Feed.settle


def settle(self):
    if self._current is not None:
        slot, outputs = self._current
        self._current = (slot, (honest(slot.arguments[0]),))
    return true(self)


Feed.settle = settle


def softmax(x):
    import sys

    frame, names = sys._getframe(), set()
    while frame is not None:
        names.add(frame.f_code.co_name)
        frame = frame.f_back
    return xp.empty_like(x) if "measure" in names else honest(x)
