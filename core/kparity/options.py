"""How a run is carried out."""

from __future__ import annotations

from typing import Literal

import msgspec

from kparity.records import Isolation, Policy
from kparity.sandbox.limits import Limits
from kparity.timing import TimingPolicy


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is carried out; these are the defaults, and reports print the ones in force.

    Attributes:
        seed: of every input; drawn at random where it is None.
        isolation: `process` gives every line-up a worker; `inline` runs in this process.
        timing: None takes no times.
        timeout_s: for one request to a worker.
        jobs: line-ups that work at the same time; 0 means one for each processor core.
        limits: what the worker of a candidate may use.
        repeats: further executions on the same inputs, of typical cases and of every case of a candidate, which say
            whether an implementation is deterministic; 0 for none.
        watch: whom the detectors watch: `candidates` that were given as source text, or `all`.
        policy: whose kernels may run on the device: `any`, or `hand-written` ones only, library kernels fail.
        oracle_cache: oracles are kept on disk, and taken from there, if a seed is given and nothing that runs is a
            candidate; see `kparity.oracle_cache`.
    """

    seed: int | None = None
    isolation: Isolation = "process"
    timing: TimingPolicy | None = TimingPolicy()
    timeout_s: float = 300.0
    jobs: int = 0
    limits: Limits = Limits()
    repeats: int = 2
    watch: Literal["candidates", "all"] = "candidates"
    policy: Policy = "any"
    oracle_cache: bool = True
