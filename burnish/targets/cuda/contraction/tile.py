"""A contraction's schedule: the tile of a program and how it is worked through."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import prod
from typing import Any, ClassVar, Self

from burnish.kernels.schedule import Options, Schedule


@dataclass(frozen=True)
class Tile(Options):
    """A program sums up a tile of m pixels and n columns, k of the depth in each step.

    form        load: operands by addresses, any strides; copy: by the copy engine (tensor maps, from sm_90 on)
    m           pixels of a tile, a power of two
    n           columns of a tile, a power of two
    k           depth of a step, a power of two
    box         copy: pixels of a tile along each pixel run, outer to inner; their product is m
    swap        the tile is computed transposed: columns go where the tensor core wants 64 rows or more, so that few
                pixels do not waste it
    flat        load: steps over taps and channels as one run
    split       programs that share the sum of one tile; the last of them adds the parts, always in the same order
    shared      with split: every program finishes a share of the rows. Without it the last program finishes all rows
    warps       of a program, 32 threads each
    stages      steps whose loads are in flight at the same time
    band        pixel tiles that neighbouring programs compute before they move to other columns, to reuse the L2 cache
    persistent  programs per multiprocessor, each of which computes many tiles; 0: one program per tile
    early       residuals are loaded before the sum starts, and stay in registers until the epilogue; with persistent
                they are loaded while the tile before is computed
    prefetch    the program's packed B is fetched into the L2 cache before the program waits for the previous launch
    precision   of f32 products: tf32x3: three products of shorter floats; tf32: one; ieee: plain ones
    apart       with several products: one loop for each product. Without it one loop covers all of them
    stagger     cycles that the second program of each multiprocessor waits before its first tile. Programs that start
                together also leave the tensor cores idle at the same time
    near        load: operands come through the processor's own cache, where the taps of a window find most of them
    registers   that a thread may have, so that more programs fit on a multiprocessor; 0: the assembler decides
    """

    template: ClassVar[str] = "contraction"
    form: str
    m: int
    n: int
    k: int
    box: tuple[int, ...] = ()
    swap: bool = False
    flat: bool = False
    split: int = 1
    shared: bool = False
    warps: int = 4
    stages: int = 3
    band: int = 1
    persistent: int = 0
    early: bool = False
    prefetch: bool = False
    precision: str = "ieee"
    apart: bool = False
    stagger: int = 0
    registers: int = 0
    near: bool = False

    @property
    def schedule(self) -> Schedule:
        """The form that is stored; options that few tiles use are stored only if they are set."""
        options: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        for name in ("apart", "stagger", "registers", "near"):
            if not options[name]:
                del options[name]
        return Schedule.of(self.template, **(options | {"box": "x".join(map(str, self.box))}))

    @classmethod
    def read(cls, schedule: Schedule) -> Self:
        """From the stored form."""
        assert schedule.template == cls.template, schedule
        options: dict[str, Any] = dict(schedule.options)
        box = tuple(int(n) for n in options["box"].split("x") if n)
        assert not box or prod(box) == options["m"], schedule
        return cls(**(options | {"box": box}))

    @property
    def is_copied(self) -> bool:
        return self.form == "copy"
