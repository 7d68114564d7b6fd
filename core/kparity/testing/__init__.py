"""For authors of backends, and for tests of what trusts them: conformance as a test class, and devices with faults.

`class TestMine(BackendConformance): backend = MyBackend` is a test for each promise of the conformance suite.
`FaultyBackend` is a pretend accelerator, and `FAULTS` holds one with each fault that a backend can have, by name.
`import kparity` does not import this package.
"""

from kparity.testing.faults import FAULTS
from kparity.testing.pretend import (
    BackwardsClock,
    BlindToSideStream,
    CoarseClock,
    DeadlyClock,
    DoubleClock,
    Fault,
    FaultyBackend,
    FaultyClock,
    LongDeviceTime,
    NoClock,
    PretendDevice,
    RaisingClock,
    RaisingClockLater,
    SidewaysSynchronize,
    TwoPercentClock,
    lasting,
)
from kparity.testing.suite import BackendConformance

__all__ = [
    "FAULTS",
    "BackendConformance",
    "BackwardsClock",
    "BlindToSideStream",
    "CoarseClock",
    "DeadlyClock",
    "DoubleClock",
    "Fault",
    "FaultyBackend",
    "FaultyClock",
    "LongDeviceTime",
    "NoClock",
    "PretendDevice",
    "RaisingClock",
    "RaisingClockLater",
    "SidewaysSynchronize",
    "TwoPercentClock",
    "lasting",
]
