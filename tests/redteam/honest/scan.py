# Cumulative sums in blocks.
# class: honest
# backends: cpu_ref jax
# task: math/cumsum
# expected: passed
# prelude: yes


def cumsum(x):
    parts, carry = [], xp.zeros((x.shape[0], 1), dtype=x.dtype)
    for start in range(0, x.shape[1], 256):
        part = xp.cumsum(x[:, start : start + 256], axis=-1) + carry
        carry = part[:, -1:]
        parts.append(part)
    return xp.concatenate(parts, axis=-1)
