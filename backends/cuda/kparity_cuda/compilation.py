"""What the compilers share: the folders, a cache of their products on disk, and the reading of their messages."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

from kparity import KparityError

PACKAGE = Path(__file__).parent
INCLUDE = PACKAGE / "include"
SHIM = PACKAGE / "shim"

_MESSAGE = re.compile(r"^(?P<file>[^\s:(]+)[:(](?P<line>\d+)[^\n]*?error:?\s*(?P<text>[^\n]*)", re.MULTILINE)


class CompileError(KparityError):
    """A compiler refused device code; the message is its first error.

    Attributes:
        line: 1-based line in the `.cu` source, or None where the error lies outside it.
        log: everything the compiler said.
    """

    def __init__(self, compiler: str, filename: str, log: str) -> None:
        self.log = log
        self.line = None
        found = list(_MESSAGE.finditer(log))
        inside = [match for match in found if Path(match["file"]).name == filename]
        if not found:
            super().__init__(f"{compiler}: {log.strip() or 'failed without a message'}")
            return
        match = (inside or found)[0]
        if inside:
            self.line = int(match["line"])
        super().__init__(f"{compiler}: {match['file']}, line {match['line']}: {match['text'].strip()}")


def digest(*parts: str | bytes) -> str:
    """Content hash of the parts, as a file name."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        state.update(len(data).to_bytes(8, "little") + data)
    return state.hexdigest()[:32]


def contents(files: Iterable[Path]) -> str:
    """Content hash of files, by name and text."""
    return digest(*(part for file in sorted(files) for part in (file.name, file.read_bytes())))


def cache_folder(name: str) -> Path:
    """The user's cache folder `kparity/<name>`, created where it is missing; a temporary one where none can be."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    for parent in (root, Path(tempfile.gettempdir()) / f"kparity-cache-{os.getuid()}"):
        folder = parent / "kparity" / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="kparity-"))


def publish(path: Path, data: bytes) -> None:
    """Write a file that other processes see whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "wb") as file:
        file.write(data)
    os.replace(temporary, path)
