"""The judge's part of watching a candidate: was what was timed also what was verified, and is the time possible?

A candidate shares its process with the engine and may have tampered with it. What is concluded here rests on what the
judge sees from outside: inputs that nobody knew beforehand, outputs that it judges itself, and its own clock.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from kparity.assurance import Detection, Detector
from kparity.attribution import Naming, attribute
from kparity.inputs import Arrays, digest
from kparity.machine import OPEN, Gates
from kparity.problem import Problem
from kparity.records import CheckResult, Isolation, Launch, Policy, Verdict
from kparity.sandbox.engine import Seen
from kparity.sandbox.host import Runner
from kparity.sandbox.watched import Witnessed
from kparity.timing import Timed, TimingPolicy
from kparity.variation import Variation
from kparity.verify import Check, Evidence, judge

FACTOR = 3.0
"""How much longer than claimed a call may take on the judge's clock."""
GROSS = 10.0
"""How often that again makes it a lie rather than a busy machine."""
ROUNDS = 2
"""How often times are taken again while the judge's clock disagrees."""
SLACK_S = 1e-3
"""What the judge's clock is allowed besides, next to five round trips of a message."""
AUDITED = 32
"""Most calls in a row on the judge's clock."""
AUDIT_S = 0.3
AUDIT_BYTES = 1 << 26


class Scrutiny:
    """Watches one candidate on one problem; call `repeat`, then `measure`, then read `checks` and `detection`.

    Args:
        runner: where the candidate was just executed on the problem's inputs.
        problem: what it was executed on.
        extra: further checks that outputs undergo.
        gates: held where others use the machine too.

    Attributes:
        checks: what was found; empty while nothing is wrong.
    """

    def __init__(
        self,
        runner: Runner,
        problem: Problem,
        extra: Sequence[Check] = (),
        gates: Gates = OPEN,
    ) -> None:
        self._gates = gates
        self._runner = runner
        self._problem = problem
        self._extra = extra
        self._held: set[Detector] = {"unchanged"}
        self._lacking: dict[Detector, str] = {}
        self._timed = False
        self.checks: list[CheckResult] = []

    def note(self, seen: Seen) -> None:
        """Remember which detectors ran."""
        self._held.update(seen.looked)
        self._lacking.update(seen.lacking)

    def repeat(self) -> None:
        """Call twice more with fresh content, one call behind the other, and judge both."""
        with self._gates.shared():
            variation = self._varied()
            self._runner.stage(2)
            self._runner.go()
        self._testify(variation, "repeated", 2)

    def measure(self, policy: TimingPolicy) -> Timed:
        """Time it on inputs that change from call to call; judge outputs of two calls; audit the times.

        Raises:
            ImplementationFailure: a call raised.
        """
        self._timed = True
        for last in (False,) * ROUNDS + (True,):
            timed = self._timed_once(policy)
            disagreement = self._audit(timed)
            if not disagreement or last:
                break
        if disagreement:
            self.checks.append(disagreement)
        if timed.launches:
            self._held.add("launches")
        else:
            self._lacking["launches"] = "what runs on this device cannot be seen"
        return timed

    def attribute(self, policy: Policy, launches: Sequence[Launch], naming: Naming, source: str = "") -> None:
        """Hold what ran on the device against the policy; what cannot be seen cannot pass `hand-written`."""
        if policy != "any" and (found := attribute(launches, naming, source)) is not None:
            self.checks.append(found)

    def verdict(self, before: Verdict) -> Verdict:
        """The verdict with what was found here."""
        return Verdict.of_checks([*before.checks, *self.checks]) if self.checks else before

    def detection(self, isolation: Isolation, *, called_again: bool) -> Detection:
        """Which protections were in force; see `Detection`."""
        held, lacking = set(self._held), dict(self._lacking)
        if isolation != "inline":
            held.add("process")
        else:
            lacking["process"] = "it ran in the judge's own process"
        return Detection.of(held, lacking, timed=self._timed, called_again=called_again)

    def _varied(self) -> Variation:
        variation = Variation.draw(self._problem.spec, self._problem.case, secrets.token_bytes(16))
        self._runner.vary(variation)
        if variation.varies:
            self._held.add("varied")
        else:
            self._lacking["varied"] = "no input has elements that are independent of each other"
        return variation

    def _testify(self, variation: Variation, protection: Detector, judged: int) -> Witnessed:
        """Ask what the calls left behind, and judge some of them, chosen only now."""
        with self._gates.shared():
            seen = self._runner.witnessed()
            places = secrets.SystemRandom().sample(range(seen.kept), min(judged, seen.kept))
            fetched = [self._runner.fetch(place) for place in places]
        self.checks.extend(seen.seen.findings)
        self.note(seen.seen)
        with self._gates.thinking():
            self._examine(variation, protection, seen, fetched)
        self._held.add(protection)
        return seen

    def _examine(
        self,
        variation: Variation,
        protection: Detector,
        seen: Witnessed,
        fetched: Sequence[tuple[tuple[str, ...], Arrays]],
    ) -> None:
        """Hold the inputs of those calls against what they must have been, and judge these outputs."""
        replayed: dict[tuple[str, ...], Arrays] = {}
        for number, (seeds, found) in enumerate(seen.slots):
            if any(variation.stays(seed) for seed in seeds) and not (protection == "repeated" and number == 0):
                self._fail(protection, "inputs of a later call were hardly changed")
            replayed[seeds] = variation.replay(self._problem.inputs, seeds)
            if digest(replayed[seeds]) != found:
                self._fail("inputs_unchanged", "the implementation modified its inputs in a later call")
        if not fetched:
            self._fail(protection, "no output of a later call was kept")
        for seeds, outputs in fetched:
            if not any(whole[: len(seeds)] == seeds and seeds for whole, _ in seen.slots):
                self._fail(protection, "an output belongs to inputs that were never given")
                continue
            inputs = replayed.get(seeds) or variation.replay(self._problem.inputs, seeds)
            altered = self._problem.altered(secrets.randbits(48), inputs, "")  # digests were compared above
            verdict = judge(Evidence(altered, outputs, altered.inputs_digest), self._extra)
            if verdict.status != "passed":
                wrong = verdict.status == "failed"
                message = f"in a later call, {verdict.message}"
                self.checks.append(CheckResult(protection, "failed" if wrong else "inconclusive", message))

    def _timed_once(self, policy: TimingPolicy) -> Timed:
        with self._gates.shared():
            variation = self._varied()
            self._runner.rehearse(policy)
        with self._gates.exclusive():
            started = time.perf_counter()
            timed = self._runner.measure(policy)
            wall = time.perf_counter() - started
        seen = self._testify(variation, "sampled", 2)
        whole = next(one for one in timed.measurements if one.measurand == "end_to_end")
        spent = sum(whole.samples_s) * whole.calls_per_sample
        if spent > wall:
            self._fail("second_clock", f"samples of {spent:.3g} s in all were reported, taken within {wall:.3g} s")
        changed = sum(len(seeds) for seeds, _ in seen.slots)
        if changed < len(whole.samples_s):
            self._fail("sampled", f"{len(whole.samples_s)} samples were reported of {changed} calls on changed inputs")
        return timed

    def _audit(self, timed: Timed) -> CheckResult | None:
        """Hold the worker's times against the judge's clock; what is wrong, if anything.

        The machine may have become busy since the times were taken: only a gross disagreement is called a lie.
        """
        medians = {one.measurand: one.median_s for one in timed.measurements}
        claimed = max(medians["device"], medians["dispatch"]) if "device" in medians else medians["end_to_end"]
        nbytes = sum(array.nbytes for array in (*self._problem.case.inputs, *self._problem.case.outputs))
        count = max(2, min(AUDITED, AUDIT_BYTES // max(nbytes, 1), int(AUDIT_S / claimed)))
        allowed = count * claimed * FACTOR + 5 * self._round_trip() + SLACK_S
        taken = float("inf")
        for _ in range(2):
            with self._gates.shared():
                variation = self._varied()
                self._runner.stage(count)
            with self._gates.exclusive():
                started = time.perf_counter()
                self._runner.go()
                taken = min(taken, time.perf_counter() - started)
            if taken <= allowed:
                break
        self._testify(variation, "repeated", 1)
        self._held.add("second_clock")
        if taken <= allowed:
            return None
        message = f"{count} calls of {claimed:.3g} s each, as reported, took {taken:.3g} s on the judge's clock"
        if taken > GROSS * allowed:
            return CheckResult("second_clock", "failed", message)
        return CheckResult("second_clock", "inconclusive", f"{message}; is the machine busy with something else?")

    def _round_trip(self) -> float:
        shortest = float("inf")
        for _ in range(3):
            started = time.perf_counter()
            self._runner.supports(self._problem.case)
            shortest = min(shortest, time.perf_counter() - started)
        return shortest

    def _fail(self, name: str, message: str) -> None:
        self.checks.append(CheckResult(name, "failed", message))
