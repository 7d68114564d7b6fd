"""Run folders: written one record at a time, taken up again, read as a stream, merged by listing them."""

from kparity.store.folder import RunFolder
from kparity.store.merging import Note, Runs, find_runs, read_runs
from kparity.store.reading import RunReader, identity, open_run, read_run

__all__ = [
    "Note",
    "RunFolder",
    "RunReader",
    "Runs",
    "find_runs",
    "identity",
    "open_run",
    "read_run",
    "read_runs",
]
