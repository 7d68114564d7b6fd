"""The transfer contract of one backend, run in a process of its own: `python transfer_contract.py BACKEND`.

Prints one JSON object: what was broken, or why the backend cannot be opened.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import kparity
from kparity import Unavailable, dtypes

CONTRACT = Path(__file__)
SHAPES = [(), (1,), (0,), (3, 0), (7,), (2, 3, 5), (1, 129), (1 << 12,)]


class Stranger:
    """Nobody's array."""

    shape = (3,)
    dtype = np.dtype(np.float32)


def sample(kind: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values that tell bytes apart, the special ones included."""
    rng = np.random.default_rng(7)
    array = np.array(rng.integers(0, 100, shape)).astype(dtypes.dtype(kind))
    if dtypes.is_float(kind):
        array = np.array(rng.standard_normal(shape) * 3).astype(dtypes.dtype(kind))
        special = [0.0, -0.0, float(dtypes.finfo(kind).max), float(dtypes.finfo(kind).smallest_subnormal)]
        special += [np.nan, -np.inf] if kind != "float8_e4m3fn" else [np.nan]
    else:
        special = [0, 1] if kind == "bool" else [np.iinfo(kind).min, np.iinfo(kind).max]
    flat = array.reshape(-1)
    if flat.size > len(special):
        flat[: len(special)] = np.array(special).astype(dtypes.dtype(kind))
    return array.reshape(shape)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Bit for bit; a NaN may carry another payload."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.tobytes() == other.tobytes():
        return True
    wide = one.astype(np.float64), other.astype(np.float64)
    nan = np.isnan(wide[0]) & np.isnan(wide[1])
    equal = (wide[0] == wide[1]) & (np.signbit(wide[0]) == np.signbit(wide[1]))
    return bool((nan | equal).all())


def examine(backend: kparity.Backend, info: kparity.DeviceInfo) -> list[str]:
    """Everything in which the backend breaks the contract of `put` and `get`."""
    broken = []
    for kind in info.dtypes:
        for shape in SHAPES:
            what = f"{kind}{list(shape)}"
            source = sample(kind, shape)
            kept = source.copy()
            try:
                frozen = source.copy()
                frozen.flags.writeable = False
                on_device = backend.put(source)
                of_frozen = backend.put(frozen)
                source[...] = np.zeros((), source.dtype)
                first = backend.get(on_device)
                if type(first) is not np.ndarray:
                    broken.append(f"{what}: get gave a {type(first).__name__}")
                if first.dtype != kept.dtype or first.shape != kept.shape:
                    broken.append(f"{what}: came back as {first.dtype}{list(first.shape)}")
                elif not same(first, kept):
                    broken.append(f"{what}: came back with other values, or changed with the source")
                if not same(backend.get(of_frozen), kept):
                    broken.append(f"{what}: a read-only array came back with other values")
                if not first.flags.writeable or not first.flags.c_contiguous:
                    broken.append(f"{what}: get gave an array that is read-only or not contiguous")
                else:
                    first[...] = np.zeros((), first.dtype)
                if not same(backend.get(on_device), kept):
                    broken.append(f"{what}: get gave an alias of the device's memory")
            except Exception as error:
                broken.append(f"{what}: {type(error).__name__}: {error}")
    foreign = [None, 1.5, "text", [1.0, 2.0], (np.zeros(3),), Stranger(), np.ma.masked_array(np.zeros(3, np.float32))]
    for thing in foreign:
        try:
            backend.get(thing)
            broken.append(f"get took a {type(thing).__name__} for one of its arrays")
        except TypeError:
            pass
        except Exception as error:
            broken.append(f"get of a {type(thing).__name__} raised {type(error).__name__}, not TypeError")
    try:
        type(backend)().open(4711)
        broken.append("open(4711) found a device")
    except Unavailable:
        pass
    except Exception as error:
        broken.append(f"open(4711) raised {type(error).__name__}, not Unavailable: {error}")
    return broken


def main() -> None:
    """Open the backend that the command line names and examine it."""
    backend = kparity.Session().catalogue.backend(sys.argv[1])
    try:
        info = backend.open(0)
    except Unavailable as error:
        print(json.dumps({"unavailable": error.reason, "remedy": error.remedy}))
        return
    backend.info = info
    facts = {"name": info.name, "kind": info.kind, "backend": info.backend, "dtypes": list(info.dtypes)}
    facts["versions"] = {str(key): str(value) for key, value in info.versions.items()}
    print(json.dumps({"info": facts, "broken": examine(backend, info)}))


if __name__ == "__main__":
    main()
