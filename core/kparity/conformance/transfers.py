"""Promises of `open`, `put` and `get`, and of what gives arrays new content."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence

import numpy as np

from kparity import dtypes
from kparity.backend import Kind
from kparity.conformance.workbench import Promise, Workbench, same_values, small_integers
from kparity.errors import Unavailable

SHAPES: tuple[tuple[int, ...], ...] = ((), (1,), (0,), (3, 0), (7,), (2, 3, 5), (1, 129), (1 << 12,))
_ABSENT = 4711


class _Stranger:
    """Nobody's array."""

    shape = (3,)
    dtype = np.dtype(np.float32)


def sample(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values that tell bytes apart, the special ones included."""
    rng = np.random.default_rng(7)
    array = np.array(rng.integers(0, 100, shape)).astype(dtypes.dtype(dtype))
    if dtypes.is_float(dtype):
        array = np.array(rng.standard_normal(shape) * 3).astype(dtypes.dtype(dtype))
        info = dtypes.finfo(dtype)
        special = [0.0, -0.0, float(info.max), float(info.smallest_subnormal), np.nan]
        special += [] if dtype == "float8_e4m3fn" else [-np.inf]
    else:
        special = [0, 1] if dtype == "bool" else [np.iinfo(dtype).min, np.iinfo(dtype).max]
    flat = array.reshape(-1)
    if flat.size > len(special):
        with np.errstate(invalid="ignore"):  # of the NaN
            flat[: len(special)] = np.array(special).astype(dtypes.dtype(dtype))
    return array.reshape(shape)


def report(bench: Workbench) -> list[str]:
    """What `open` reported makes sense."""
    info, broken = bench.info, []
    if info.backend != bench.backend.name:
        broken.append(f"it reports backend {info.backend!r}, its name is {bench.backend.name!r}")
    if not info.name:
        broken.append("the device has no name")
    if info.kind not in typing.get_args(Kind):
        broken.append(f"kind {info.kind!r} is none of {', '.join(typing.get_args(Kind))}")
    if info.index != bench.index:
        broken.append(f"device {bench.index} was asked for, it reports index {info.index}")
    unknown = sorted(set(info.dtypes) - set(dtypes.NAMES))
    if unknown:
        broken.append(f"it claims dtypes that kparity does not have: {', '.join(unknown)}")
    if not info.dtypes or len(set(info.dtypes)) != len(info.dtypes):
        broken.append(f"its dtypes are {list(info.dtypes)}: expected at least one, none twice")
    return broken


def refuses(bench: Workbench) -> list[str]:
    """A device that does not exist is Unavailable, with a reason."""
    try:
        type(bench.backend)().open(_ABSENT)
    except Unavailable as error:
        return [] if error.reason.strip() else [f"open({_ABSENT}) raised Unavailable without a reason"]
    except Exception as error:
        return [f"open({_ABSENT}) raised {type(error).__name__}, not Unavailable: {error}"]
    return [f"open({_ABSENT}) found a device"]


def round_trip(bench: Workbench) -> list[str]:
    """Bit for bit, for every claimed dtype and shape."""
    return list(_over_everything(bench, _round_trip))


def no_alias(bench: Workbench) -> list[str]:
    """The host's array may change after `put`."""
    return list(_over_everything(bench, _no_alias))


def fresh_result(bench: Workbench) -> list[str]:
    """`get` gives a plain, writable, contiguous array that nobody else holds."""
    return list(_over_everything(bench, _fresh_result))


def any_source(bench: Workbench) -> list[str]:
    """Strided, transposed, reversed, read-only: right, or refused with an exception."""
    broken = []
    for dtype in bench.info.dtypes:
        base = sample(dtype, (6, 10))
        frozen = base.copy()
        frozen.flags.writeable = False
        sources = {
            "a read-only array": frozen,
            "every second column": base[:, ::2],
            "a transposed array": base.T,
            "a reversed array": base[::-1],
            "a Fortran-ordered array": np.asfortranarray(base),
            "a broadcast row": np.broadcast_to(base[0], (4, 10)),
        }
        for what, source in sources.items():
            try:
                back = bench.backend.get(bench.backend.put(source))
            except Exception as error:
                if what == "a read-only array":
                    broken.append(f"{dtype}: put of {what} raised {type(error).__name__}: {error}")
                continue
            if not same_values(back, source):
                broken.append(f"{dtype}: {what} of shape {list(source.shape)} came back {_seen(back)}, garbled")
    for foreign in ("complex64", "datetime64[s]"):
        source = np.zeros(3, foreign)
        try:
            back = bench.backend.get(bench.backend.put(source))
        except Exception:
            continue
        if back.dtype != source.dtype:
            broken.append(f"{foreign}, which is no dtype of kparity's, came back as {back.dtype} without a word")
    return broken


def refuses_strangers(bench: Workbench) -> list[str]:
    """`get` raises TypeError for what is not this backend's."""
    broken = []
    masked = np.ma.masked_array(np.zeros(3, np.float32))
    for thing in (None, 1.5, "text", [1.0, 2.0], (np.zeros(3),), _Stranger(), masked):
        try:
            bench.backend.get(thing)
        except TypeError:
            continue
        except Exception as error:
            broken.append(f"get of a {type(thing).__name__} raised {type(error).__name__}, not TypeError")
        else:
            broken.append(f"get took a {type(thing).__name__} for one of its arrays")
    return broken


def _over_everything(bench: Workbench, examine: typing.Callable[..., Iterator[str]]) -> Iterator[str]:
    for dtype in bench.info.dtypes:
        for shape in SHAPES:
            what = f"{dtype}{list(shape)}"
            try:
                yield from (f"{what}: {fault}" for fault in examine(bench, sample(dtype, shape)))
            except Exception as error:
                yield f"{what}: raised {type(error).__name__}: {error}"


def _round_trip(bench: Workbench, source: np.ndarray) -> Iterator[str]:
    back = bench.backend.get(bench.backend.put(source))
    if back.dtype != source.dtype or back.shape != source.shape:
        yield f"came back as {_seen(back)}"
    elif not same_values(back, source):
        wrong = np.flatnonzero(back.reshape(-1) != source.reshape(-1))
        at = int(wrong[0]) if wrong.size else 0
        yield f"came back with other values, e.g. {back.reshape(-1)[at]} for {source.reshape(-1)[at]}"


def _no_alias(bench: Workbench, source: np.ndarray) -> Iterator[str]:
    kept = source.copy()
    on_device = bench.backend.put(source)
    source[...] = np.zeros((), source.dtype)
    back = bench.backend.get(on_device)
    if source.size and same_values(back, source) and not same_values(kept, source):
        yield "the array on the device changed with the host's"


def _fresh_result(bench: Workbench, source: np.ndarray) -> Iterator[str]:
    on_device = bench.backend.put(source)
    first = bench.backend.get(on_device)
    if type(first) is not np.ndarray:
        yield f"get gave a {type(first).__name__}, not a numpy.ndarray"
    elif not first.flags.writeable or not first.flags.c_contiguous:
        yield "get gave an array that is read-only or not contiguous"
    else:
        kept = first.copy()
        first[...] = np.zeros((), first.dtype)
        if not same_values(bench.backend.get(on_device), kept):
            yield "writing to what get gave changed the array on the device"


def _seen(array: np.ndarray) -> str:
    return f"{array.dtype}{list(array.shape)}"


def fresh_content(bench: Workbench) -> list[str]:
    """What alter and refill give holds the new elements; what they came from, and copies made before, hold the old."""
    backend, broken = bench.backend, []
    places = np.array([0, 5, 11])
    for dtype in bench.info.dtypes:
        rows, source = (small_integers(n, dtype) for n in (12, 31))
        array, longer = backend.put(rows.reshape(3, 4)), backend.put(source)
        before = backend.duplicate(array)
        refilled = backend.refill(array, longer, 7)
        wanted = source[7:19].reshape(3, 4)
        if not same_values(backend.get(refilled), wanted):
            broken.append(f"{dtype}: refill from element 7 gave {backend.get(refilled).reshape(-1)[:4]} ...")
        wanted = wanted.copy()
        wanted.reshape(-1)[places] = source[:3]
        altered = backend.alter(refilled, places, source[:3].copy())
        if not same_values(backend.get(altered), wanted):
            broken.append(f"{dtype}: alter at {places.tolist()} gave {backend.get(altered).reshape(-1)[:4]} ...")
        if not same_values(backend.get(longer), source):
            broken.append(f"{dtype}: refill changed what it takes the elements from")
        if not same_values(backend.get(before), rows.reshape(3, 4)):
            broken.append(f"{dtype}: a duplicate changed with the array that it was made of")
    return broken


PROMISES: Sequence[Promise] = (
    Promise("open.report", "what open reports of the device makes sense", report),
    Promise("open.refuses", "a device that does not exist is Unavailable, with a reason", refuses),
    Promise("transfer.round_trip", "every claimed dtype and shape comes back bit for bit", round_trip),
    Promise("transfer.no_alias", "the host's array may change after put without consequence", no_alias),
    Promise("transfer.fresh_result", "get gives a plain, writable array that is the caller's own", fresh_result),
    Promise("transfer.any_source", "strided, reversed and read-only sources arrive right or are refused", any_source),
    Promise("transfer.refuses_strangers", "get raises TypeError for what is not its own", refuses_strangers),
    Promise("content.fresh", "alter and refill give new content to one array alone", fresh_content),
)
