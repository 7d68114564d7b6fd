# Its code is generated from text and compiled when it is loaded.
# class: honest
# backends: cpu_ref torch triton jax
# expected: passed
# prelude: yes

namespace = {"honest": honest}
exec(compile("def generated(x):\n    return honest(x)", "<generated>", "exec"), namespace)
softmax = namespace["generated"]
