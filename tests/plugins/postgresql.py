"""A PostgreSQL server of the tests' own: in a folder of its own, on a socket in it, gone afterwards."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_STARTS_S = 60.0


def missing() -> str:
    """Why there can be no server here; empty where there can."""
    try:
        import psycopg  # noqa: F401
    except ImportError as error:
        return f"psycopg: {error}"
    if _programs() is None:
        return "no PostgreSQL server is installed: apt-get install postgresql"
    if os.geteuid() == 0 and _account() is None:
        return "PostgreSQL does not run as root, and there is no user 'postgres'"
    return ""


@contextlib.contextmanager
def served() -> Iterator[str]:
    """URL of an empty database; the server ends with the context."""
    import psycopg

    programs = _programs()
    assert programs is not None
    with tempfile.TemporaryDirectory(prefix="kp") as name:  # a socket's path must be short
        folder, account = Path(name), {}
        if os.geteuid() == 0 and (user := _account()):
            os.chown(folder, user.pw_uid, user.pw_gid)
            account = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        running = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **account}
        data, log = folder / "data", folder / "log"
        log.touch()
        making = [programs / "initdb", "-D", data, "-A", "trust", "--no-sync", "-U", "kparity", "-E", "UTF8"]
        subprocess.run(making, check=True, capture_output=True, **running)
        serving = [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses=", "-c", "fsync=off"]
        with log.open("wb") as output, subprocess.Popen(serving, stdout=output, stderr=output, **running) as server:
            try:
                until = time.monotonic() + _STARTS_S
                while True:
                    try:
                        psycopg.connect(host=name, user="kparity", dbname="postgres").close()
                        break
                    except psycopg.OperationalError:
                        if server.poll() is not None or time.monotonic() > until:
                            raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}") from None
                        time.sleep(0.05)
                yield f"postgresql+psycopg://kparity@/postgres?host={name}"
            finally:
                server.send_signal(2)  # ends connections that are still open


def _account() -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return None


def _programs() -> Path | None:
    found = [Path(path).parent for path in [shutil.which("postgres")] if path]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((path for path in found if (path / "initdb").exists() and (path / "postgres").exists()), None)
