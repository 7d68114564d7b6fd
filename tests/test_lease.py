"""Leases: two processes do not take times on one device at once, and a lease dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import sys
import threading

import pytest

import kparity.lease
from kparity import DeviceInfo
from kparity.lease import identity, lease

GPU = DeviceInfo(backend="a", name="Pretend", kind="gpu", uuid="GPU-1")
OTHER = DeviceInfo(backend="a", name="Pretend", kind="gpu", uuid="GPU-2")
CPU = DeviceInfo(backend="b", name="Some processor", kind="cpu")

HOLDER = """
import sys
from kparity import DeviceInfo
from kparity.lease import lease
with lease(DeviceInfo(backend="c", name="Pretend", kind="gpu", uuid="GPU-1")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "runtime"))
    monkeypatch.setattr(kparity.lease, "PATIENCE_S", 0.0)
    return tmp_path / "runtime"


@pytest.fixture
def holder(environment, folder):
    """Another process that holds the first GPU until its standard input closes."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        env=environment(XDG_RUNTIME_DIR=str(folder)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    with contextlib.suppress(OSError):
        process.stdin.close()
    process.stdout.close()
    process.kill()
    process.wait()


def waiting(device):
    """A thread that wants the device, and events for its start and for its having got it."""
    got = threading.Event()

    def want():
        with lease(device):
            got.set()

    thread = threading.Thread(target=want, daemon=True)
    thread.start()
    return thread, got


@pytest.mark.parametrize("end", ["leaves", "dies"])
def test_another_process_is_waited_for_until_it_leaves_or_dies(holder, capsys, end):
    thread, got = waiting(GPU)
    assert not got.wait(0.3)
    if end == "leaves":
        holder.stdin.close()
    else:
        holder.kill()
    assert got.wait(30)
    thread.join(30)
    assert "waiting for another kparity that takes times on GPU-1" in capsys.readouterr().err


def test_other_devices_are_not_waited_for(holder, capsys):
    with lease(OTHER, CPU):
        pass
    assert capsys.readouterr().err == ""


def test_threads_wait_for_each_other_and_one_may_hold_twice():
    with lease(GPU), lease(GPU):
        thread, got = waiting(GPU)
        assert not got.wait(0.2)
    assert got.wait(30)
    thread.join(30)


def test_a_lease_is_given_back_after_an_exception(folder):
    with pytest.raises(ZeroDivisionError), lease(GPU):
        raise ZeroDivisionError
    (path,) = (one for one in folder.rglob("*") if one.is_file())
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert path.stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    obstacle = tmp_path / "file"
    obstacle.write_text("no folder")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(obstacle))
    with lease(GPU, CPU):
        pass


def test_a_file_system_without_locks_is_done_without(monkeypatch):
    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with lease(GPU):
        pass


def test_what_is_leased_is_the_hardware_whichever_backend_opened_it():
    assert identity(GPU) == "GPU-1"
    assert identity(CPU) == identity(DeviceInfo(backend="x", name="other name", kind="cpu"))
    nameless = [DeviceInfo(backend="a", name="A", kind="gpu", index=index) for index in (0, 1)]
    assert len({identity(one) for one in (*nameless, GPU, OTHER)}) == 4
