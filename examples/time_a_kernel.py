"""Time one kernel, and say what the time means."""

from pathlib import Path

import kparity

SOURCE = Path(__file__).with_name("softmax.py").read_text()
PRECISELY = kparity.TimingPolicy(target=0.005, budget_s=2.0)

outcome = kparity.evaluate(
    "activation/softmax",
    "cpu_ref",
    SOURCE,
    roles=["typical"],
    dtypes=["float32"],
    options=kparity.Options(timing=PRECISELY),
)
for one in outcome.evaluations:
    for time in one.measurements:
        low, high = time.interval_s
        print(
            f"{one.case.key}: {time.measurand} {time.median_s * 1e6:,.0f} us, 95 % within {low * 1e6:,.0f} .. "
            f"{high * 1e6:,.0f}; {len(time.samples_s)} samples, {time.cache} cache, clock {time.clock}"
        )
