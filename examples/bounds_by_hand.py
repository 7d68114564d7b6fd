"""How wide the bound of softmax is, and what a fixed tolerance would accept instead."""

import numpy as np

from kparity import Problem, Session

spec = Session().catalogue.task("activation/softmax")
for case in spec.cases(roles=["typical"], dtypes=["float32", "float16"]):
    problem = Problem.pose(spec, case, seed=1)
    truth, bound = np.abs(problem.oracle[0]), problem.bounds[0]
    part = bound / truth
    print(f"{case.key}: the bound is {np.median(part):.1g} of the value (median), {np.max(part):.1g} at most")
    print(f"    of an output of zeros, the bound accepts {np.sum(truth <= bound):,} of {truth.size:,} elements,")
    print(f"    an absolute tolerance of 0.01 accepts {np.sum(truth <= 0.01):,}")
