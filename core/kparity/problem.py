"""A problem: one case with everything the judge needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kparity.bounds import HonestError, is_large
from kparity.case import Case
from kparity.independence import axes_of
from kparity.inputs import Arrays, digest, generate
from kparity.oracle import evaluate_reference
from kparity.oracle_cache import Known, OracleCache
from kparity.sampling import LATER, choose, cut_outputs, describe, oddities, restrict
from kparity.spec import KernelSpec
from kparity.stability import instability
from kparity.threads import quiet

_LOOKED_AT = 8


@dataclass(frozen=True)
class Problem:
    """One case with everything the judge needs: the inputs drawn from the seed, the oracle, and the bounds.

    Of a large case whose spec names independent axes, only a sample is judged: `parts` then holds its pieces, each a
    problem of its own with a smaller case, and `oracle` and `bounds` are empty.

    Attributes:
        inputs: of the whole case, as the implementation receives them.
        oracle, bounds: one array for each output.
        honest: what the bounds follow from.
        unstable: why the reference cannot be trusted on these inputs; empty where it can.
        chosen: for a piece, which indices of the whole it holds along each independent axis.
        examined: whether it was examined that the reference is stable, or is where pieces are judged.
        looked_at: the pieces besides the sample that were last judged, by what they hold: outputs of many
            implementations look odd in the same places.
    """

    spec: KernelSpec
    case: Case
    seed: int
    inputs: Arrays
    oracle: Arrays
    honest: HonestError
    bounds: Arrays
    inputs_digest: str
    parts: tuple[Problem, ...] = ()
    chosen: Mapping[str, np.ndarray] = field(default_factory=dict)
    unstable: str = ""
    examined: bool = False
    looked_at: dict[tuple[bytes, ...], Problem] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def pose(cls, spec: KernelSpec, case: Case, seed: int, cache: OracleCache | None = None) -> Problem:
        """Draw the inputs and evaluate the oracle and its bounds, of a large case on a sample where the spec allows it.

        Args:
            cache: where the oracle of these inputs may be known from, and is kept for others.

        Raises:
            SpecError: the reference contradicts the declaration on this case.
        """
        inputs = generate(spec, case, seed)
        return cls._unsolved(spec, case, seed, inputs, digest(inputs), examined=True)._judgeable(cache)

    def altered(self, seed: int, inputs: Arrays, inputs_digest: str) -> Problem:
        """The same case on other inputs of its kind, with a smaller sample of its own.

        Whether the reference is stable on them is not examined again.
        """
        other = self._unsolved(self.spec, self.case, seed, inputs, inputs_digest, examined=False)
        return other._sampled(choose(self.spec, self.case, seed, LATER), None)

    def refined(self, draws: int) -> Problem:
        """The same problem with that many more draws of honest evaluations behind its bounds."""
        with quiet(self.case):
            honest = self.honest.more(self.spec, self.case, self.inputs, self.oracle, draws)
        return replace(self, honest=honest, bounds=honest.bounds(self.spec, self.case, self.oracle))

    def pieces(self, outputs: Arrays) -> list[tuple[Problem, Arrays]]:
        """The sample, and the slices of these outputs that look odd, each with its piece of the outputs."""
        odd = [self._odd(chosen) for chosen in oddities(self.spec, self.case, outputs)]
        return [(part, cut_outputs(self.spec, outputs, part.chosen)) for part in (*self.parts, *odd)]

    @property
    def sample(self) -> str:
        """What part of the case is judged, e.g. `128 of 8,192 rows`; empty where all of it is."""
        return describe(self.case, [part.chosen for part in self.parts]) if self.parts else ""

    def locate(self, output: str, index: tuple[int, ...]) -> list[int]:
        """Where in the whole output an element of this problem's output stands."""
        axes = [axis or "" for axis in axes_of(self.spec.outputs[output])]
        return [int(self.chosen[axis][i]) if axis in self.chosen else i for axis, i in zip(axes, index, strict=True)]

    @property
    def nbytes(self) -> int:
        """Bytes of every array that the problem holds, those of its parts included."""
        own = (*self.inputs, *self.oracle, *self.bounds, *self.honest.errors)
        return sum(array.nbytes for array in own) + sum(
            part.nbytes for part in (*self.parts, *list(self.looked_at.values()))
        )

    @classmethod
    def _unsolved(
        cls, spec: KernelSpec, case: Case, seed: int, inputs: Arrays, inputs_digest: str, *, examined: bool
    ) -> Problem:
        return cls(spec, case, seed, inputs, (), HonestError((), 0), (), inputs_digest, examined=examined)

    def _judgeable(self, cache: OracleCache | None) -> Problem:
        """With the oracle and its bounds, of a large case those of a sample where the spec allows it."""
        return self._sampled(choose(self.spec, self.case, self.seed) if is_large(self.case) else [], cache)

    def _sampled(self, samples: Sequence[Mapping[str, np.ndarray]], cache: OracleCache | None) -> Problem:
        if not samples:
            return self._solved(cache)
        return replace(self, parts=tuple(self._part(chosen, cache) for chosen in samples))

    def _solved(self, cache: OracleCache | None) -> Problem:
        spec, case, inputs = self.spec, self.case, self.inputs

        def compute() -> Known:
            oracle = evaluate_reference(spec, case, inputs)
            honest = HonestError.estimate(spec, case, inputs, oracle)
            bounds = honest.bounds(spec, case, oracle)
            unstable = instability(spec, case, inputs, oracle, bounds) if self.examined else ""
            return Known(oracle, honest.errors, bounds, honest.draws, unstable)

        with quiet(case):
            if cache is None:
                known = compute()
            else:
                of_these = digest(inputs) if self.chosen else self.inputs_digest
                known = cache.recall(spec, case, of_these, examine=self.examined, compute=compute)
        honest = HonestError(known.errors, known.draws)
        return replace(self, oracle=known.oracle, honest=honest, bounds=known.bounds, unstable=known.unstable)

    def _part(self, chosen: Mapping[str, np.ndarray], cache: OracleCache | None) -> Problem:
        case, inputs = restrict(self.spec, self.case, self.inputs, chosen)
        return replace(self, case=case, inputs=inputs, chosen=chosen, parts=(), looked_at={})._solved(cache)

    def _odd(self, chosen: Mapping[str, np.ndarray]) -> Problem:
        key = tuple(indices.tobytes() for indices in chosen.values())
        piece = self.looked_at.get(key) or self._part(chosen, None)
        self.looked_at[key] = piece
        for old in list(self.looked_at)[:-_LOOKED_AT]:
            self.looked_at.pop(old, None)
        return piece
