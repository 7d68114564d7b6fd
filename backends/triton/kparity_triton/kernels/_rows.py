"""What the row-wise kernels share: how a matrix is cut into tiles."""

from __future__ import annotations

import triton


def row_tile(columns: int, widest: int = 16384) -> dict[str, int]:
    """Launch parameters for a matrix with rows of `columns`: tile height and width, and warps.

    A tile holds a whole row where that has at most `widest` elements, and several rows where rows are narrow: at least
    2048 elements, so that every thread has 16 of them and with these enough loads under way to hide their latency.
    """
    width = min(triton.next_power_of_2(columns), widest)
    height = max(1, 2048 // width)
    return {"ROWS": height, "COLS": width, "num_warps": min(16, height * width // 512)}
