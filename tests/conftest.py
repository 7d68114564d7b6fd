"""What several test modules share. `tests/plugins` goes on the import path, since workers import plugins by name."""

from __future__ import annotations

import contextlib
import os
import signal
import site
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import settings

settings.register_profile("kparity", deadline=None, max_examples=50, derandomize=True, database=None)
settings.load_profile("kparity")

pytest_plugins = ["pytester"]

PLUGINS = Path(__file__).parent / "plugins"
ROOT = PLUGINS.parent.parent
sys.path.insert(0, str(PLUGINS))


@pytest.fixture(autouse=True, scope="session")
def _own_surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody outside this test run is waited for, and no oracle is known from an earlier one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KPARITY_ORACLE_CACHE", "off")
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("runtime")))
        yield


class Finished(NamedTuple):
    """What a command line printed and how it exited."""

    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Finished]:
    """Calls the console script's function in this process; the terminal is 200 columns wide and has no colours."""
    from kparity.cli import main

    for variable in ("FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: object) -> Finished:
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Finished(int(exit_.value.code or 0), captured.out, captured.err)

    return call


@pytest.fixture
def python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a fresh interpreter, which sees the import path of this one, in an empty environment but for PATH."""

    def call(*arguments: str, timeout: float = 300, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env=bare_environment(**environment),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return call


def bare_environment(**more: str) -> dict[str, str]:
    """PATH, HOME and the import path of this process, nothing else of the developer's shell."""
    names = ("PATH", "HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR", "KPARITY_ORACLE_CACHE")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry), **more}


@pytest.fixture
def environment() -> Callable[..., dict[str, str]]:
    """`bare_environment`, for tests that start a process themselves."""
    return bare_environment


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes a folder look like an installed distribution with entry points of the group `kparity`."""
    site = tmp_path / "site"

    def call(
        distribution: str, *, version: str = "1.2.3", sources: dict[str, str] | None = None, **points: str
    ) -> Path:
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        lines = "".join(f"{name} = {target}\n" for name, target in points.items())
        (info / "entry_points.txt").write_text(f"[kparity]\n{lines}")
        for module, text in (sources or {}).items():
            (site / f"{module}.py").write_text(text)
        if str(site) not in sys.path:
            monkeypatch.syspath_prepend(str(site))
        return site

    known = set(sys.modules)
    yield call
    for module in set(sys.modules) - known:
        if str(getattr(sys.modules[module], "__file__", None) or "").startswith(str(site)):
            del sys.modules[module]


class Venv:
    """A fresh virtual environment that also sees what is installed here, the checkout included."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._command(sys.executable, "-m", "venv", "--without-pip", home)
        folder = self.run("-c", "import site; print(site.getsitepackages()[0])").strip()
        entries = (*sys.path, *site.getsitepackages())
        paths = [entry for entry in entries if Path(entry, "kparity").is_dir() or entry.endswith("site-packages")]
        paths += [entry for entry in sys.path if list(Path(entry).glob("kparity_*"))]
        Path(folder, "beside.pth").write_text("".join(f"{entry}\n" for entry in dict.fromkeys(paths)))

    def install(self, project: Path) -> None:
        """Build and install a project, without the network; skips where hatchling is missing."""
        pytest.importorskip("hatchling", reason="hatchling is not installed: pip install hatchling")
        offline = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check")
        python = self.home / "bin" / "python"
        self._command(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *offline, project)

    def run(self, *arguments: object, cwd: Path | None = None) -> str:
        """What this environment's Python printed; it has to exit with 0."""
        return self._command(self.home / "bin" / "python", *arguments, cwd=cwd)

    def pytest(self, project: Path, *arguments: object) -> str:
        """What pytest printed, with kparity's plugin."""
        known = metadata.entry_points(group="pytest11", name="kparity")
        plugin = () if known else ("-p", "kparity.pytest_plugin")
        return self.run("-m", "pytest", "-q", *plugin, *arguments, cwd=project)

    def _command(self, *command: object, cwd: Path | None = None) -> str:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.home)}
        done = subprocess.run(
            list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    """A fresh virtual environment."""
    return Venv(tmp_path / "venv")


class Pids:
    """The processes that noted themselves in a file; see `toy_kernels._note_pid`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> set[int]:
        """All that were ever noted."""
        return {int(line) for line in self.path.read_text().split()} if self.path.exists() else set()

    def alive_after(self, seconds: float = 5.0) -> set[int]:
        """Those that still live; waits up to `seconds` for them to end."""
        deadline = time.monotonic() + seconds
        while (alive := {pid for pid in self.read() if _alive(pid)}) and time.monotonic() < deadline:
            time.sleep(0.02)
        return alive


@pytest.fixture
def pids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pids]:
    """Where toy kernels note their processes; whatever is left of them is ended after the test."""
    noted = Pids(tmp_path / "pids")
    monkeypatch.setenv("TOY_PIDS", str(noted.path))
    yield noted
    for pid in noted.read():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _alive(pid: int) -> bool:
    """True for a process that runs; one that has ended but was not waited for (a zombie) does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True


@pytest.fixture
def host_clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A host clock that moves only when it is read or slept on, in every module that takes times."""
    from pretend import HostClock

    clock = HostClock()
    for module in ("timing", "clock", "compare", "replication", "testing.pretend"):
        monkeypatch.setattr(f"kparity.{module}.time", clock)
    return clock


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ceilings are remembered: a folder of this test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"
