"""Threads of the linear-algebra library under NumPy: one for the judge's small products."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from kparity.case import Case

FLOPS = 1 << 35
"""Operations of one evaluation from which on more threads are worth their cost: about a second."""


def quiet(case: Case) -> AbstractContextManager[None]:
    """Hold while evaluating references on `case`: products run on the calling thread unless the case is huge.

    The library's own threads wait for work by spinning: on a busy machine a small product costs ten times as much
    processor time with them as without.
    """
    return _one_thread() if (case.flops or 0) < FLOPS else nullcontext()


class _State:
    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.inside = 0
        self.limit: Any = None


_state = _State()


def _reset() -> None:
    global _state
    _state = _State()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The limit is the process's: it holds until the last thread that wants it has left."""
    state = _state
    with state.guard:
        state.inside += 1
        if state.inside == 1:
            _elsewhere(functools.partial(_limit, state))
    try:
        yield
    finally:
        with state.guard:
            state.inside -= 1
            if state.inside == 0 and state.limit is not None:
                _elsewhere(state.limit.restore_original_limits)


def _limit(state: _State) -> None:
    state.limit = _controller().limit(limits=1, user_api="blas")


def _elsewhere(action: Callable[[], None]) -> None:
    """On a thread that ends then: threadpoolctl heeds but one thread of a process as long as that lives."""
    thread = threading.Thread(target=action)
    thread.start()
    thread.join()


@functools.cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
