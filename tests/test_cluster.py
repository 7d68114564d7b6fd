"""Runs on a cluster: cases dealt out and dealt again, errors that a station raises told from a station that is lost,
and a real Ray cluster of two nodes of which one is killed.
"""

from __future__ import annotations

import contextlib
import importlib
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
from types import SimpleNamespace

import msgspec
import pytest

from kparity import Options, Selection, Session, UsageError, read_runs
from kparity.cluster.dealing import ATTEMPTS, Deck
from kparity.cluster.executor import RayExecutor
from kparity.cluster.posting import collect
from kparity.cluster.run import ClusterRun
from kparity.cluster.shipping import gather
from kparity.cluster.station import Station
from kparity.errors import NothingEvaluatedError, WorkerError
from kparity.past import Past

PLUGIN = '''
import os
import time

import numpy as np

from kparity import Backend, DeviceInfo, Implementation, Unavailable, edge, hookimpl, kernel_spec


class Slow(Backend):
    """Host memory; each call takes a moment, so that a node can be killed meanwhile."""

    name = "slow"

    def open(self, index=0):
        return DeviceInfo(backend=self.name, name="Slow", kind="cpu", uuid=os.environ["KPARITY_TEST_NODE"])

    def put(self, array):
        return array.copy()

    def get(self, array):
        return array.copy()


class Broken(Slow):
    """Nothing can be evaluated on it: the plugin has a defect."""

    name = "broken"

    @property
    def library_kernels(self):
        raise LookupError("no list of kernels")


class Gone(Slow):
    """Opens once for each line-up, then never again."""

    name = "gone"
    opened = []

    def open(self, index=0):
        self.opened.append(index)
        if len(self.opened) > 2:
            raise Unavailable("the device fell off its bus", "seat it again")
        return super().open(index)


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
    return [Slow(), Broken(), Gone()]


@hookimpl
def register_tasks():
    return [double]


@hookimpl
def register_implementations():
    return [
        Implementation("shipped/double", backend, f"shipped_plugin:{name}", name)
        for backend in ("slow", "broken", "gone")
        for name in ("base", "other")
    ]
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


def test_what_a_plugin_imports_of_its_own_is_shipped_and_what_others_brought_is_not(install, tmp_path):
    sources = {
        "shipped_plugin": "import shipped_helper\nimport other_framework",
        "shipped_helper": "import shipped_deep",
    }
    install("shipped", sources=sources | {"shipped_deep": "import numpy"}, shipped="shipped_plugin")
    install("other_framework", sources={"other_framework": ""}, other="other_framework")
    folder = tmp_path / "ship"
    folder.mkdir()
    gather(["shipped_plugin", "kparity_torch.plugin"], [], folder)
    names = {path.name for path in folder.iterdir()}
    assert {"shipped_plugin.py", "shipped_helper.py", "shipped_deep.py", "kparity_torch", "kparity_nvidia"} <= names
    assert not names & {"other_framework.py", "numpy", "torch", "msgspec"}


def test_a_cluster_is_asked_for_correctly(cli, monkeypatch):
    assert "unknown executor 'slurm'" in cli("run", "--executor", "slurm").err
    assert "go with --executor local" in cli("run", "--executor", "ray", "--inline").err
    monkeypatch.setitem(sys.modules, "ray", None)
    done = cli("run", "toy/*", "-b", "toy", "--executor", "ray")
    assert done.status == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected --address HOST:PORT to join a cluster, or --head PORT to begin one"),
        (("--address", "gpu:6379", "--head", "6379"), "expected --address HOST:PORT to join"),
        (("--address", "gpu"), "--address 'gpu': expected the host and port"),
        (("--address", "127.0.0.1:1"), "nobody answers at '127.0.0.1:1' (Connection refused): begin a cluster there"),
        (("--head", "6379", "--label", "h100"), "--label 'h100': expected a name and a value"),
    ],
)
def test_a_worker_that_cannot_join_says_why_at_once(cli, arguments, message):
    done = cli("worker", *arguments)
    assert done.status == 2
    assert message in done.err


def test_a_worker_needs_ray(cli, monkeypatch):
    monkeypatch.setattr("kparity.commands.joining.find_spec", lambda name: None)
    assert "pip install 'kparity[ray]'" in cli("worker", "--head", "6379").err


@pytest.mark.slow
def test_a_worker_joins_with_the_backends_that_open_as_labels(cli, monkeypatch, install):
    install("shipped", sources={"shipped_plugin": PLUGIN}, shipped="shipped_plugin")
    monkeypatch.setenv("KPARITY_TEST_NODE", "here")
    monkeypatch.setattr("kparity.commands.joining.find_spec", lambda name: name)
    begun = []
    monkeypatch.setattr(os, "execve", lambda program, arguments, environment: begun.append(arguments))
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = "{}:{}".format(*head.getsockname())
        done = cli("worker", "--address", address, "--label", "rack=b")
    assert "kparity/slow=cpu  Slow" in done.err
    ((*_, labels, where),) = begun
    assert {"kparity/slow=cpu", "kparity/broken=cpu", "rack=b"} <= set(labels.removeprefix("--labels=").split(","))
    assert where == f"--address={address}"


class HereRay:
    """Ray as far as stations see it, with all of them in this process."""

    exceptions = SimpleNamespace(RayError=OSError, RayTaskError=ConnectionError, GetTimeoutError=TimeoutError)
    """Like Ray's, the others derive from the first."""

    def __init__(self, *losses):
        self._losses = list(losses)

    def get(self, answer, timeout=None):
        if not isinstance(answer, bytes):
            answer = answer()
        if timeout is None and self._losses:
            raise self._losses.pop(0)
        return answer

    def kill(self, actor): ...

    def shutdown(self): ...


def stations(target, backend="slow", count=1, options=None):
    """Stations for `shipped/double`, as actors that `HereRay` knows."""
    selection = msgspec.msgpack.encode(Selection(tasks=("shipped/double",), backends=(backend,)))
    options = options or Options(seed=3, timing=None, repeats=0)
    options = msgspec.msgpack.encode(msgspec.structs.replace(options, isolation="inline"))
    found = {}
    for number in range(count):
        station = Station([target], selection, options, False, [])
        found[f"node{number}-host"] = SimpleNamespace(
            open=SimpleNamespace(remote=lambda station=station: station.open),
            evaluate=SimpleNamespace(remote=station.evaluate),
        )
    return found


@pytest.fixture
def run_here(install, monkeypatch):
    """Makes a run over stations of this process; losses are what Ray raises instead of their first answers."""
    install("shipped", sources={"shipped_plugin": PLUGIN.replace("time.sleep(0.15)", "")}, shipped="shipped_plugin")
    monkeypatch.setenv("KPARITY_TEST_NODE", "here")

    def make(*losses, backend="slow", count=1):
        ray, posts, reasons = HereRay(*losses), [], {}
        collect(ray, stations("shipped_plugin", backend, count), posts, reasons)
        assert len(posts) == count, reasons
        plugin = importlib.import_module("shipped_plugin")
        return ClusterRun(ray, Session(extra=[plugin], discover=False), posts, None, reasons)

    return make


def test_what_a_station_raises_is_told_with_its_type_text_and_place(run_here):
    with pytest.raises(WorkerError) as raised:
        list(run_here(backend="broken", count=2))
    text = str(raised.value)
    assert "-host' raised LookupError: no list of kernels; it is not lost" in text
    assert "shipped_plugin.py" in text, "where it was raised"


def test_an_error_in_rays_part_of_a_station_ends_the_run_with_its_text(run_here):
    with pytest.raises(WorkerError, match="'node0-host' raised ImportError: no module dill; it is not lost"):
        list(run_here(ConnectionError("Traceback ...\nImportError: no module dill")))


def test_a_lost_station_hands_its_cases_to_the_others_whatever_was_lost(run_here):
    lost = OSError("The actor died: its node was terminated.")
    run = run_here(lost, count=2)
    assert Counter(one.status for one in run) == {"passed": 48}
    ((name, how),) = run.losses.items()
    assert how == f"station {name!r} was lost: The actor died: its node was terminated."


def test_where_nobody_is_left_the_error_says_how_each_station_was_lost(run_here):
    lost = OSError("Details:\nits node was terminated.")
    with pytest.raises(WorkerError, match="station 'node0-host' was lost: its node was terminated") as raised:
        list(run_here(lost))
    assert "24 cases were not evaluated" in str(raised.value)


def test_a_station_that_cannot_open_its_device_again_has_lost_it(run_here):
    with pytest.raises(WorkerError, match="'node0-host' lost its device: Unavailable: the device fell off its bus"):
        list(run_here(backend="gone"))


def test_what_cannot_be_imported_on_a_node_is_the_reason_why_it_takes_no_part(install, monkeypatch):
    install("shipped", sources={"needy_plugin": "import absent_library"}, shipped="needy_plugin")
    posts, reasons = [], {}
    collect(HereRay(), stations("needy_plugin"), posts, reasons)
    assert posts == []
    assert reasons == {"node0-host": "the station raised ModuleNotFoundError: No module named 'absent_library'"}


@pytest.fixture
def executor_here(install, monkeypatch):
    """An executor whose stations are in this process; losses as in `run_here`."""
    install("shipped", sources={"shipped_plugin": PLUGIN.replace("time.sleep(0.15)", "")}, shipped="shipped_plugin")
    monkeypatch.setenv("KPARITY_TEST_NODE", "here")

    def make(*losses, count=1, first=0):
        def opened(self, selection, options):
            ray, posts, reasons = HereRay(*losses), [], {}
            collect(ray, stations("shipped_plugin", "slow", count, options), posts, reasons)
            posts = [post._replace(name=f"node{first + place}-host") for place, post in enumerate(posts)]
            posts = [
                post._replace(info=msgspec.structs.replace(post.info, options={**post.info.options, "executor": "ray"}))
                for post in posts
            ]
            return ray, posts, reasons

        monkeypatch.setattr(RayExecutor, "_opened", opened)
        return RayExecutor(Session(extra=[importlib.import_module("shipped_plugin")], discover=False), "here:6379")

    return make


SHIPPED = (Selection(tasks=("shipped/double",), backends=("slow",)), Options(seed=3, timing=None, repeats=0))


def cut_short(executor, folder, count):
    """A run of which the first so many records were written."""
    run = executor.prepare(*SHIPPED, folder)
    for _, _ in zip(range(count), run, strict=False):
        pass
    run.close()


def test_a_run_that_was_interrupted_goes_on_where_it_was_on_other_stations(executor_here, tmp_path):
    cut_short(executor_here(count=2), tmp_path / "run", 10)
    done = {(one.case.key, one.implementation.label) for _, one in read_runs([tmp_path / "run"])}
    assert len(done) == 10
    run = executor_here(count=1, first=7).resume(tmp_path / "run")
    assert (run.finished, run.total) == (10, 38)
    again = [(one.case.key, one.implementation.label) for one in run]
    assert len(again) == 38
    assert not done & set(again), "what has a verdict is not evaluated again"
    everything = read_runs([tmp_path / "run"])
    assert len(everything) == 48
    assert {one.seed for _, one in everything} == {3}
    assert everything.notes == ()
    assert [len(run.info.resumed) for run in everything.runs if run.path.name == "node7-host"] == [1]
    whole = executor_here().resume(tmp_path / "run")
    assert (whole.finished, whole.total, list(whole)) == (48, 0, [])


def test_a_station_that_is_still_there_goes_on_in_its_own_folder(executor_here, tmp_path):
    cut_short(executor_here(), tmp_path / "run", 4)
    assert len(list(executor_here().resume(tmp_path / "run"))) == 44
    (one,) = read_runs([tmp_path / "run"]).runs
    assert len(one) == 48
    assert len(one.info.resumed) == 1


def test_a_case_that_lacks_a_line_up_is_evaluated_whole_again(executor_here, tmp_path):
    cut_short(executor_here(), tmp_path / "run", 4)
    lines = tmp_path / "run" / "node0-host" / "evaluations.jsonl"
    lines.write_bytes(b"".join(lines.read_bytes().splitlines(keepends=True)[:3]))
    assert len(list(executor_here().resume(tmp_path / "run"))) == 46
    assert len(read_runs([tmp_path / "run"])) == 48


def test_other_hardware_than_the_run_had_is_told_before_it_goes_on(executor_here, tmp_path, monkeypatch):
    cut_short(executor_here(), tmp_path / "run", 4)
    info = tmp_path / "run" / "node0-host" / "run.json"
    info.write_text(info.read_text().replace('"Slow"', '"Slower"'))
    with pytest.raises(UsageError) as raised:
        executor_here().resume(tmp_path / "run")
    assert "Slower (slow) took part, and does not now" in str(raised.value)
    assert "Slow (slow) takes part now, and did not" in str(raised.value)
    run = executor_here(first=5).resume(tmp_path / "run", force=True)
    assert len(list(run)) == 48
    parts = read_runs([tmp_path / "run"]).runs
    forced = next(one.info.resumed for one in parts if one.path.name == "node5-host")
    assert len(forced[0].forced) == 2


def test_runs_on_one_machine_and_on_a_cluster_are_told_apart(executor_here, tmp_path):
    cut_short(executor_here(), tmp_path / "run", 4)
    session = Session(extra=[importlib.import_module("shipped_plugin")], discover=False)
    with pytest.raises(UsageError, match="all of a run on a cluster with --executor ray"):
        session.resume(tmp_path / "run")
    with pytest.raises(UsageError, match="part of a run on a cluster"):
        session.resume(tmp_path / "run" / "node0-host")
    list(session.run(["shipped/double"], backends=["slow"], options=SHIPPED[1], out=tmp_path / "here"))
    with pytest.raises(UsageError, match="taken on one machine; resume it without --executor"):
        executor_here().resume(tmp_path / "here")
    cut_short(executor_here(), tmp_path / "other", 2)
    info = tmp_path / "other" / "node0-host" / "run.json"
    info.write_text(info.read_text().replace('"seed": 3', '"seed": 4'))
    (tmp_path / "other" / "node0-host").rename(tmp_path / "run" / "node9-host")
    with pytest.raises(UsageError, match="parts of several runs"):
        executor_here().resume(tmp_path / "run")


def test_labels_that_no_node_has_are_named(install, monkeypatch):
    install("shipped", sources={"shipped_plugin": PLUGIN}, shipped="shipped_plugin")
    node = {"Alive": True, "Labels": {"rack": "a"}, "NodeManagerHostname": "one", "NodeID": "1" * 8, "Resources": {}}
    ray = SimpleNamespace(nodes=lambda: [node], shutdown=lambda: None)
    monkeypatch.setattr("kparity.cluster.executor.connect", lambda address, staging: ray)
    executor = RayExecutor(Session(), "auto", {"rack": "b"})
    with pytest.raises(NothingEvaluatedError, match="no node of the cluster has the label rack=b"):
        executor.prepare(Selection(tasks=("shipped/double",)), Options(), None)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux")
def test_a_station_uses_the_threads_that_its_node_has(install, monkeypatch):
    install("shipped", sources={"needy_plugin": "import absent_library"}, shipped="needy_plugin")
    program = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    for limit, left in (({}, None), ({"OMP_NUM_THREADS": "3"}, "1")):
        with subprocess.Popen(program, env=limit, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as node:
            node.stdout.readline()  # it has become that program
            monkeypatch.setenv("RAY_RAYLET_PID", str(node.pid))
            monkeypatch.setenv("OMP_NUM_THREADS", "1")  # as Ray does, unless the node has it
            collect(HereRay(), stations("needy_plugin"), [], {})
            assert os.environ.get("OMP_NUM_THREADS") == left
            node.stdin.close()


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

address, folder, backend, victim = sys.argv[1:]
selection = Selection(tasks=("shipped/double",), backends=(backend,))
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
    done = python("-c", DRIVER, nodes.address, str(tmp_path / "broken"), "broken", "")
    assert "raised LookupError: no list of kernels; it is not lost" in done.stderr, done.stderr[-4000:]
    done = python("-c", DRIVER, nodes.address, str(tmp_path / "run"), "slow", str(nodes.processes[1].pid))
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
