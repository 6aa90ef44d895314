"""What the rows of a contraction's register tile run over."""

from __future__ import annotations

from burnish.kernels.contraction_runs import analyse
from burnish.targets.cpu.contraction.tile_rows import rows_of
from tests.kernels.test_contraction_runs import convolution


def test_folded_rows_step_over_whole_inner_runs() -> None:
    rows = rows_of(analyse(convolution()), 1, True)
    assert rows.tiled.extent == 6 and rows.per_step == 7 and rows.outer == ()
    assert rows.offsets(2) == (*range(0, 56, 8), *range(72, 128, 8))
    flat = rows_of(analyse(convolution()), 0, False)
    assert flat.per_step == 1 and [r.extent for r in flat.outer] == [6]
