"""The version, in one place, and that of the backend API."""

from __future__ import annotations

__version__ = "0.1.0"

API_VERSION = "1.4"
"""What plugins build on: the hooks, `Backend` and what it exchanges. The first number changes when a plugin that worked
may stop to work, the second when something is added."""


def api_fault(wanted: object) -> str:
    """Why a plugin that asks for backend API `wanted` cannot be used; empty where it can, or asks for nothing.

    A plugin written for `1.3` needs an API `1.x` with x >= 2.
    """
    if not wanted:
        return ""
    parts = wanted.split(".") if isinstance(wanted, str) else []
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        return f"requires_api is {wanted!r}; expected two numbers as text, like {API_VERSION!r}"
    major, minor = map(int, parts)
    present_major, present_minor = map(int, API_VERSION.split("."))
    if (major, minor) == (present_major, min(minor, present_minor)):
        return ""
    newer = (major, minor) > (present_major, present_minor)
    remedy = "update kparity: pip install -U kparity" if newer else "update the plugin, or install an older kparity"
    return f"was written for backend API {wanted}, kparity {__version__} has {API_VERSION}; {remedy}"
