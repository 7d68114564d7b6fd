"""`kparity worker`: this machine as a node of a Ray cluster."""

from __future__ import annotations

import os
import socket
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from kparity.commands.common import open_session, stderr
from kparity.errors import Unavailable, UsageError

ANSWER_S = 5.0
"""Seconds that the cluster's head may take to answer. Ray itself asks for minutes before it says that nobody does."""


def worker(
    address: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="The cluster's head, as its 'kparity worker --head' says.")
    ] = None,
    head: Annotated[int | None, typer.Option(metavar="PORT", help="Begin a cluster whose head listens there.")] = None,
    label: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Label of this node; may be repeated.")
    ] = None,
) -> None:
    """Make this machine a node of a Ray cluster until Ctrl-C, labelled with the backends that open here."""
    labels = dict(_label(text) for text in label or ())
    if (address is None) == (head is None):
        raise UsageError("expected --address HOST:PORT to join a cluster, or --head PORT to begin one")
    where = ["--head", f"--port={head}", "--include-dashboard=false"]
    if address is not None:
        _reach(address)
        where = [f"--address={address}"]
    if find_spec("ray") is None:
        raise UsageError("kparity worker needs Ray: pip install 'kparity[ray]'")
    with stderr().status("opening devices"):
        found = open_session().devices()
    devices = {f"kparity/{name}": one for name, one in found.items() if not isinstance(one, Unavailable)}
    if not devices:
        raise UsageError("no backend opens on this machine, so that nothing can be evaluated: see 'kparity doctor'")
    labels = {**{name: device.kind for name, device in devices.items()}, **labels}
    for name, value in labels.items():
        device = f"  {devices[name].name}" if name in devices else ""
        stderr().print(f"{name}={value}{device}", highlight=False, markup=False)
    if head is not None:
        command = f"kparity worker --address {socket.gethostname()}:{head}"
        stderr().print(f"other machines join with: {command}", highlight=False, markup=False, soft_wrap=True)
    # Ray's node takes the place of this process, with its terminal and Ctrl-C
    joined = ",".join(f"{name}={value}" for name, value in labels.items())
    node = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", f"--labels={joined}", *where]
    os.execve(sys.executable, node, {"RAY_USAGE_STATS_ENABLED": "0", **os.environ})


def _label(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value or "," in text:
        raise UsageError(f"--label {text!r}: expected a name and a value, such as accelerator=h100")
    return name, value


def _reach(address: str) -> None:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise UsageError(f"--address {address!r}: expected the host and port of a cluster's head, such as gpu:6379")
    try:
        socket.create_connection((host, int(port)), ANSWER_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"nobody answers at {address!r} ({reason}): begin a cluster there with 'kparity worker --head {port}'"
        ) from error
