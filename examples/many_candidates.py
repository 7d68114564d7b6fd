"""A harness in small: candidates from somewhere, judged side by side, each turned into a number."""

import kparity

RIGHT = """
import numpy as np
def softmax(x):
    z = x.astype(np.float32)
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return (e / e.sum(axis=-1, keepdims=True)).astype(x.dtype)
"""
CANDIDATES = {
    "right": RIGHT,
    "too narrow": RIGHT.replace("x.astype(np.float32)", "x"),
    "gives up": "def softmax(x): raise NotImplementedError",
    "lies": "print('passed'); import os; os._exit(0)",
}


def reward(outcome: kparity.Outcome) -> float:
    """1 for a kernel that is right on every case, 0 for one that is wrong; nothing that was not checked counts."""
    return 1.0 if outcome.passed else 0.0


def main() -> None:
    """Submit all, then look at each."""
    cascade = kparity.Cascade(draws=1, timing="none")
    with kparity.Evaluator(backends=["cpu_ref"], workers=2, cascade=cascade) as evaluator:
        waiting = {
            name: evaluator.submit("activation/softmax", "cpu_ref", source) for name, source in CANDIDATES.items()
        }
        for name, submission in waiting.items():
            outcome = submission.result()
            print(f"{name}: {reward(outcome):g}, {outcome.status}; {outcome.message[:60]}")


if __name__ == "__main__":
    main()
