"""Who may use a machine while times are taken on it."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import pytest

from kparity import DeviceInfo
from kparity.machine import Machine

GPU = DeviceInfo(backend="pretend", name="pretend", kind="gpu")
PATIENCE_S = 10.0


THREADS = []


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Leases of this test alone; its threads end with it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield
    while THREADS:
        THREADS.pop().join(PATIENCE_S)


@contextmanager
def waiting(gate):
    """Another thread asks for `gate` and holds it; gives an event that is set once it does."""
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with gate():
            inside.set()
            leave.wait(PATIENCE_S)

    THREADS.append(threading.Thread(target=hold))
    THREADS[-1].start()
    try:
        yield inside
    finally:
        leave.set()


def entered(event):
    return event.wait(PATIENCE_S)


def kept_out(event):
    return not event.wait(0.05)


def gates(machine):
    return {
        "shared": machine.shared,
        "in turn": lambda: machine.exclusive(GPU, quiet=False),
        "exclusive": lambda: machine.exclusive(GPU),
    }


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("first", ["shared", "in turn", "exclusive"])
@pytest.mark.parametrize("second", ["shared", "in turn", "exclusive"])
def test_who_goes_in_beside_whom(apart, first, second):
    machine = Machine(4, apart=apart)
    together = {("shared", "shared")} | ({("shared", "in turn"), ("in turn", "shared")} if apart else set())
    held = gates(machine)
    with waiting(held[first]) as one:
        assert entered(one)
        with waiting(held[second]) as other:
            assert entered(other) if (first, second) in together else kept_out(other)


def test_whoever_needs_the_machine_alone_goes_before_further_turns_and_users():
    machine = Machine(4, apart=True)
    held = gates(machine)
    with waiting(held["in turn"]) as turn, waiting(held["exclusive"]) as alone:
        assert entered(turn)
        assert kept_out(alone)
        with waiting(held["shared"]) as user, waiting(held["in turn"]) as another:
            assert kept_out(user)
            assert kept_out(another)


def test_what_is_left_is_given_to_those_who_wait():
    machine = Machine(4, apart=True)
    held = gates(machine)
    with waiting(held["in turn"]) as turn:
        assert entered(turn)
        alone = waiting(held["exclusive"])
        inside = alone.__enter__()
        assert kept_out(inside)
    assert entered(inside)
    user = waiting(held["shared"])
    assert kept_out(user.__enter__())
    alone.__exit__(None, None, None)
    user.__exit__(None, None, None)
    with waiting(held["exclusive"]) as again:
        assert entered(again)
