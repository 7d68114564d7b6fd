"""kparity: does this kernel compute the same thing, and how fast, on every accelerator I care about?

The names below are the public interface; everything else may change without notice.
"""

from kparity.assurance import Assurance
from kparity.axes import Expression
from kparity.backend import Backend, DeviceArray, DeviceInfo, Executable, Probes, Support
from kparity.cascade import Cascade
from kparity.case import ArrayInfo, Case
from kparity.clock import Activity, DeviceClock, Telemetry
from kparity.comparators import Comparator, arg_max, distributed, quantised, top_k, unordered
from kparity.declaring import kernel_spec
from kparity.distributions import (
    Distribution,
    ascending,
    hill,
    integers,
    log_uniform,
    mirrored,
    normal,
    one_hot,
    permutation,
    positive_definite,
    probabilities,
    uniform,
)
from kparity.environment import RunInfo, Shard
from kparity.errors import (
    BacklogFull,
    CandidateError,
    KparityError,
    NothingEvaluatedError,
    PluginError,
    SpecError,
    Unavailable,
    UnknownNameError,
    Unsupported,
    UsageError,
    WorkerError,
)
from kparity.evaluator import Evaluator
from kparity.hookspecs import hookimpl
from kparity.host import cpu_name
from kparity.independence import Independent
from kparity.loading import Function, Implementation, kernels_in, load_python
from kparity.options import Options
from kparity.patterns import Hunting
from kparity.plan import Selection
from kparity.problem import Problem
from kparity.records import CheckResult, Evaluation, Measurement, Verdict
from kparity.report import Reporter
from kparity.running import Run
from kparity.sandbox.confine import hide_process
from kparity.sandbox.limits import Limits
from kparity.session import Outcome, Session, evaluate, run
from kparity.signature import Numerics, edge, perf, tensor, typical
from kparity.spec import KernelSpec
from kparity.store import RunReader, Runs, open_run, read_run, read_runs
from kparity.submission import Submission
from kparity.timing import TimingPolicy
from kparity.verify import Check, Evidence
from kparity.version import API_VERSION, __version__

__all__ = [
    "API_VERSION",
    "Activity",
    "ArrayInfo",
    "Assurance",
    "Backend",
    "BacklogFull",
    "CandidateError",
    "Cascade",
    "Case",
    "Check",
    "CheckResult",
    "Comparator",
    "DeviceArray",
    "DeviceClock",
    "DeviceInfo",
    "Distribution",
    "Evaluation",
    "Evaluator",
    "Evidence",
    "Executable",
    "Expression",
    "Function",
    "Hunting",
    "Implementation",
    "Independent",
    "KernelSpec",
    "KparityError",
    "Limits",
    "Measurement",
    "NothingEvaluatedError",
    "Numerics",
    "Options",
    "Outcome",
    "PluginError",
    "Probes",
    "Problem",
    "Reporter",
    "Run",
    "RunInfo",
    "RunReader",
    "Runs",
    "Selection",
    "Session",
    "Shard",
    "SpecError",
    "Submission",
    "Support",
    "Telemetry",
    "TimingPolicy",
    "Unavailable",
    "UnknownNameError",
    "Unsupported",
    "UsageError",
    "Verdict",
    "WorkerError",
    "__version__",
    "arg_max",
    "ascending",
    "cpu_name",
    "distributed",
    "edge",
    "evaluate",
    "hide_process",
    "hill",
    "hookimpl",
    "integers",
    "kernel_spec",
    "kernels_in",
    "load_python",
    "log_uniform",
    "mirrored",
    "normal",
    "one_hot",
    "open_run",
    "perf",
    "permutation",
    "positive_definite",
    "probabilities",
    "quantised",
    "read_run",
    "read_runs",
    "run",
    "tensor",
    "top_k",
    "typical",
    "uniform",
    "unordered",
]
