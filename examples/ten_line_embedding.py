import kparity

SOURCE = """
import numpy as np
def softmax(x):
    e = np.exp(x)  # float16 and bfloat16 should have been widened to float32 first
    return e / e.sum(axis=-1, keepdims=True)
"""
outcome = kparity.evaluate("activation/softmax", "cpu_ref", SOURCE, roles=["typical"], options=kparity.Options(seed=1))
for one in outcome.evaluations:
    print(one.case.key, one.status, one.verdict.message)
