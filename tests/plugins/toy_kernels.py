"""Kernels for the toy backend. Those that misbehave do so on inputs of seven elements and are right on all others."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


def good(x, factor=2.0):
    """What the task asks for."""
    return x * x.dtype.type(factor)


def split(x):
    """What `toy/split` asks for."""
    return np.minimum(x, 0), np.maximum(x, 0)


def on_seven(misbehave: Callable[..., Any]) -> Callable[..., Any]:
    """`good`, except on seven elements."""

    @functools.wraps(misbehave)
    def kernel(x, factor=2.0):
        return misbehave(x) if x.shape == (7,) else good(x, factor)

    return kernel


@on_seven
def fails_on_seven(x):
    print("seven is printed", flush=True)
    return x


@on_seven
def raises(x):
    raise ArithmeticError("seven is too hard")


@on_seven
def returns_none(x):
    return None


@on_seven
def returns_list_of_floats(x):
    return [1.0]


@on_seven
def returns_too_many(x):
    return 2 * x, x


@on_seven
def returns_nothing(x):
    return ()


@on_seven
def wrong_shape(x):
    return (2 * x)[:6]


@on_seven
def extra_axis(x):
    return (2 * x)[None]


@on_seven
def wrong_dtype(x):
    return (2 * x).astype(np.float64)


@on_seven
def foreign_dtype(x):
    return (2 * x).astype(np.complex64)


@on_seven
def object_dtype(x):
    return (2 * x).astype(object)


@on_seven
def subclass(x):
    return np.ma.masked_array(2 * x)


@on_seven
def modifies_input(x):
    y = 2 * x
    x[0] = 0
    return y


@on_seven
def segfaults(x):
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(60)


@on_seven
def exits_early(x):
    print("bye", flush=True)
    os._exit(0)


@on_seven
def leaves_politely(x):
    sys.exit(0)


@on_seven
def hangs(x):
    while True:
        time.sleep(0.05)


@on_seven
def ignores_signals_and_hangs(x):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.fork() == 0:
        _note_pid()
        time.sleep(600)
        os._exit(0)
    _note_pid()
    time.sleep(600)


@on_seven
def closes_descriptors(x):
    os.closerange(3, 256)
    return 2 * x


@on_seven
def scribbles_on_descriptors(x):
    for descriptor in range(3, 64):
        try:
            os.set_blocking(descriptor, False)
            os.write(descriptor, b"passed passed passed passed passed passed")
        except OSError:
            continue
    return np.zeros_like(x)


@on_seven
def prints_a_lot(x):
    line = "x" * 1023 + "\n"
    for _ in range(50 * 1024):
        sys.stdout.write(line)
    print("the last line", flush=True)
    return x


def slow(x, factor=2.0):
    """Right, but takes its time; notes the process that it runs in."""
    _note_pid()
    time.sleep(0.3)
    return good(x, factor)


def crashes(x, factor=2.0):
    """Never survives."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


def fails_when_timed(x, factor=2.0):
    """Right on the first call with 64 elements, broken on later ones."""
    fails_when_timed.calls += x.size == 64
    if fails_when_timed.calls > 1:
        raise ArithmeticError("tired")
    return good(x, factor)


fails_when_timed.calls = 0


def off_by_a_lot(x, factor=2.0):
    """Wrong everywhere."""
    return good(x, factor) + x.dtype.type(1)


def _note_pid() -> None:
    with open(os.environ["TOY_PIDS"], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
