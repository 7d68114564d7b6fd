"""Runs on a cluster: cases dealt out and dealt again, and a real Ray cluster of two nodes of which one is killed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

from kparity import UsageError, read_runs
from kparity.cluster.dealing import ATTEMPTS, Deck
from kparity.cluster.shipping import gather
from kparity.resuming import Past

PLUGIN = '''
import os
import time

import numpy as np

from kparity import Backend, DeviceInfo, Implementation, edge, hookimpl, kernel_spec


class Slow(Backend):
    """Host memory; each call takes a moment, so that a node can be killed meanwhile."""

    name = "slow"

    def open(self, index=0):
        return DeviceInfo(backend="slow", name="Slow", kind="cpu", uuid=os.environ["KPARITY_TEST_NODE"])

    def put(self, array):
        return array.copy()

    def get(self, array):
        return array.copy()


@kernel_spec("shipped/double", inputs={"x": "n : float32"}, outputs={"y": "n : float32"},
             cases=[edge(n=n) for n in range(1, 25)])
def double(x):
    """y[i] = 2 x[i]."""
    return x + x


def base(x):
    time.sleep(0.15)
    return x + x


def other(x):
    return 2 * x


@hookimpl
def register_backends():
    return [Slow()]


@hookimpl
def register_tasks():
    return [double]


@hookimpl
def register_implementations():
    return [Implementation("shipped/double", "slow", f"shipped_plugin:{name}", name) for name in ("base", "other")]
'''


def test_every_case_is_dealt_once_and_a_deck_of_few_cases_serves_all_stations():
    deck = Deck({("t", str(n)): 2 for n in range(20)}, stations=2)
    dealt = []
    while (hand := deck.deal()) is not None:
        dealt.append(list(hand.cases))
        deck.finish(hand)
    assert Counter(case for cases in dealt for case in cases) == {("t", str(n)): 1 for n in range(20)}
    assert len(dealt) >= 6, "neither station may sit idle for long"
    assert deck.missing() == []


def test_what_a_lost_station_left_is_dealt_again_but_not_for_ever():
    deck = Deck({("t", "a"): 1, ("t", "b"): 1}, stations=1, most=2)
    for attempt in range(ATTEMPTS):
        while (hand := deck.deal()) is not None:
            lost = [case for case in hand.cases if case == ("t", "a")]
            deck.finish(hand, lost)
            if lost:
                break
        assert deck.missing() in ([("t", "a")], [("t", "a"), ("t", "b")], [("t", "b"), ("t", "a")]), attempt
    while (hand := deck.deal()) is not None:
        deck.finish(hand)
    assert deck.missing() == [("t", "a")]


def test_shipped_is_kparity_with_the_plugins_but_no_framework(install, tmp_path):
    install("shipped", sources={"shipped_plugin": PLUGIN}, shipped="shipped_plugin")
    folder = tmp_path / "ship"
    folder.mkdir()
    gather(["shipped_plugin", "kparity_cpu_ref.plugin"], ["shipped_plugin:base", "numpy:copy"], folder)
    assert {path.name for path in folder.iterdir()} == {"kparity", "kparity_cpu_ref", "shipped_plugin.py"}
    assert (folder / "kparity" / "html" / "templates" / "report.css").exists()
    assert not list(folder.rglob("__pycache__"))


def test_a_cluster_is_asked_for_correctly(cli, monkeypatch):
    assert "unknown executor 'slurm'" in cli("run", "--executor", "slurm").err
    assert "go with --executor local" in cli("run", "--executor", "ray", "--inline").err
    monkeypatch.setitem(sys.modules, "ray", None)
    done = cli("run", "toy/*", "-b", "toy", "--executor", "ray")
    assert done.status == 2


class Nodes:
    """Ray nodes of this test, by their processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, *arguments: str) -> None:
        """Start a node that stays in the foreground of a process group of its own, without kparity on its path."""
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment |= {"RAY_USAGE_STATS_ENABLED": "0", "KPARITY_TEST_NODE": name}
        command = ["-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1"]
        self.processes.append(
            subprocess.Popen(
                [sys.executable, *command, "--object-store-memory=100000000", f"--labels=name={name}", *arguments],
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                cwd=self.folder,
            )
        )

    def kill(self, number: int) -> None:
        """End a node with everything on it, as a power cut does."""
        process = self.processes[number]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def nodes():
    """A cluster of two nodes. Paths of sockets must be short: pytest's own folder is too long a name."""
    if find_spec("ray") is None:
        pytest.skip("needs Ray: pip install 'kparity[ray]'")
    folder = Path(tempfile.mkdtemp(prefix="kp"))
    cluster = Nodes(folder)
    try:
        port = cluster.address.rpartition(":")[2]
        cluster.start("one", "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder}")
        _wait(lambda: _answers(cluster.address))
        cluster.start("two", f"--address={cluster.address}")
        yield cluster
    finally:
        for number in range(len(cluster.processes)):
            cluster.kill(number)
        shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


def _wait(until, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, "the cluster does not come up"
        time.sleep(0.2)


DRIVER = """
import os, signal, sys

from kparity import Options, Selection, Session
from kparity.cluster.executor import RayExecutor

address, folder, victim = sys.argv[1:]
selection = Selection(tasks=("shipped/double",), backends=("slow",))
options = Options(seed=3, timing=None, repeats=0, isolation="inline")
run = RayExecutor(Session(), address).prepare(selection, options, folder)
print("planned", run.total, len(run.info.devices))
places = set()
for evaluation in run:
    print(evaluation.status, evaluation.device.uuid, evaluation.verdict.message)
    places.add(evaluation.device.uuid)
    if victim and len(places) == 2:
        os.killpg(int(victim), signal.SIGKILL)
        victim = ""
"""
"""Drives a run from a process of its own, as users do; Ray leaves threads in the process that joined a cluster."""


@pytest.mark.slow
def test_two_nodes_share_a_run_and_a_killed_one_loses_nothing(nodes, install, python, tmp_path):
    install("shipped", sources={"shipped_plugin": PLUGIN}, shipped="shipped_plugin")
    _wait(lambda: _alive(nodes.address) == 2)
    done = python("-c", DRIVER, nodes.address, str(tmp_path / "run"), str(nodes.processes[1].pid))
    assert done.returncode == 0, done.stderr[-4000:]
    planned, *lines = [
        line for line in done.stdout.splitlines() if line.startswith(("planned", "passed", "failed", "error"))
    ]
    assert planned == "planned 48 2", "stations that are alike share the cases"
    assert nodes.processes[1].wait(10) == -signal.SIGKILL, "both nodes took part"
    assert Counter(line.split()[0] for line in lines) == {"passed": 48}, done.stdout
    read = read_runs([tmp_path / "run"])
    assert len(read.runs) == 2, "a run folder for each station, read as one"
    places = {(one.case.key, one.implementation.name): one.device.uuid for _, one in read}
    assert len(places) == len(read) == 48, "nothing is lost and nothing is there twice"
    for key in {key for key, _ in places}:
        assert places[key, "base"] == places[key, "other"], "what is compared ran on one device"
    assert {reader.info.plugins["shipped"] for reader in read.runs} == {"1.2.3"}
    with pytest.raises(UsageError, match="part of a run on a cluster"):
        Past(read.runs[0].path)


def _alive(address: str) -> int:
    """Nodes that the cluster counts; asked by another process, since a process may only join one cluster at a time."""
    program = f"import ray; ray.init('{address}', log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    return int(done.stdout.split()[-1]) if done.returncode == 0 else 0
