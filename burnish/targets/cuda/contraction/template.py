"""Matrix products and convolutions (implicit GEMM) with a fused epilogue, cuda.

    acc[p, n] = sum_k A[p, k] * B[k, n]      for every pixel p and column n, then the kernel's stores

The sum may go on over other products (`Contraction.more`), each with its own operands and depth.

layout   A and an unpacked B anywhere their strides say; a constant B packed [groups, n, k]; zeros around images are
         masks, or what the copy engine reads outside a tensor map
forms    load: by addresses, anything;   copy: by the copy engine (capability 90 and newer, 16-byte strides)
dtypes   f16, bf16 -> f32; f32 as three tf32 products (ieee before sm_80); f64; i8 -> i32; other integers slowly
work     2*M*N*K flop;  (M*K + K*N + M*N) * itemsize bytes at best
limits   any extents >= 0, static or symbolic
files    axes, tiling: what is known;  tile: a schedule;  candidates, cost: which one;  the others write the text
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Contraction
from burnish.target import Target
from burnish.targets.cuda.contraction.candidates import Candidates
from burnish.targets.cuda.contraction.cost import CostModel
from burnish.targets.cuda.contraction.pack import pack
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.write import write_source
from burnish.targets.cuda.cuda_template import CudaTemplate
from burnish.targets.cuda.source import Source

KEPT = 32  # schedules worth measuring
KIND_WAITS, TWIN_WAITS = 0.03, 0.08  # of its time, for each better one of a kind, and for each that is almost the same


def schedules(kernel: Contraction, target: Target, sizes: Mapping[str, int] | None = None) -> list[Schedule]:
    """Legal schedules, the one expected to be fastest first; schedules that resemble better ones are ranked lower.

    So the few that are timed first differ in the options that the model predicts worst: tiles and splits before stages
    and warps.
    """
    model = CostModel(kernel, target, sizes or {})
    times = {tile: model.microseconds(tile) for tile in Candidates(model).each()}
    seen: Counter[tuple[object, ...]] = Counter()
    late: dict[Tile, float] = {}
    for tile in sorted(times, key=times.__getitem__):
        kind = (tile.form, min(tile.m, tile.n), max(tile.m, tile.n), tile.persistent > 0, tile.split > 1, tile.apart)
        twin = (tile.form, tile.m, tile.n, tile.k, tile.persistent, tile.split, tile.apart, tile.stagger > 0)
        late[tile] = times[tile] * (1 + KIND_WAITS * seen[kind] + TWIN_WAITS * seen[twin])
        seen.update((kind, twin))
    order = sorted(late, key=late.__getitem__)
    whole = next((tile for tile in order if tile.split == 1), order[0])  # for sizes at which splits have no memory
    kept = order[:KEPT] if whole in order[:KEPT] else [*order[: KEPT - 1], whole]
    return [tile.schedule for tile in kept]


def legal(kernel: Contraction, schedule: Schedule, target: Target) -> bool:
    """Can this kernel be written with this schedule?"""
    if schedule.template != Tile.template:
        return False
    return Candidates(CostModel(kernel, target, {})).legal(Tile.read(schedule))


def emit(kernel: Contraction, schedule: Schedule, target: Target) -> Source:
    """The kernel under a schedule: equal arguments give equal text."""
    return write_source(kernel, Tile.read(schedule), target)


CONTRACTION = CudaTemplate(kernel=Contraction, schedules=schedules, legal=legal, emit=emit, pack=pack, options=(Tile,))
