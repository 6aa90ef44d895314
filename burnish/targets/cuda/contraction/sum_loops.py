"""The loops over k: one loop for a product; one loop for several products if their steps allow that.

    sum over k0 of A0 * B0  +  sum over k1 of A1 * B1          into the same accumulators

Products of 2 and 4 steps are 2 rounds of 1 and 2 steps: one pipeline, which is filled once. If the steps do not divide
into rounds of a few steps, there is a loop for each product, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, ceildiv
from burnish.targets.cuda.contraction.operands import Loaded, Operands
from burnish.targets.cuda.contraction.operands_by_copy import write_prefetch
from burnish.targets.cuda.contraction.places import Place
from burnish.targets.cuda.contraction.tiling import Product, Tiling
from burnish.targets.cuda.text import KernelText, Name

MOST_TOGETHER = 4  # steps of a round


@dataclass(frozen=True, slots=True)
class Loop:
    """count: its rounds; products: (which, its steps in a round), in order."""

    count: Dim
    products: tuple[tuple[int, int], ...]

    @property
    def together(self) -> int:
        """Steps of a round, of all products."""
        return sum(steps for _, steps in self.products)


def loops_of(steps: Sequence[Dim], apart: bool = False) -> tuple[Loop, ...]:
    """The loops for products of so many steps each."""
    known = [n for n in steps if isinstance(n, int)]
    if not apart and len(known) == len(steps) and all(known):
        rounds = math.gcd(*known)
        together = Loop(rounds, tuple((i, n // rounds) for i, n in enumerate(known)))
        if len(steps) == 1 or together.together <= MOST_TOGETHER:
            return (Loop(known[0], ((0, 1),)),) if len(steps) == 1 else (together,)
    return tuple(Loop(n, ((i, 1),)) for i, n in enumerate(steps))


@dataclass(frozen=True, slots=True)
class Steps:
    """The program's rounds of each loop, as terms: the first round, and the end (exclusive).

    part: which part of a split sum the program has
    """

    ranges: tuple[tuple[str, str], ...]
    part: Name | None = None


def tiling_loops(tiling: Tiling) -> tuple[Loop, ...]:
    """The loops of a kernel."""
    return loops_of([product.reduction.steps for product in tiling.products], tiling.tile.apart)


def all_steps(text: KernelText, tiling: Tiling) -> Steps:
    """All rounds of each loop, as a persistent program has them."""
    return Steps(tuple(("0", text.count(loop.count)) for loop in tiling_loops(tiling)))


def write_steps(text: KernelText, tiling: Tiling) -> Steps:
    """The rounds of each loop that this program has."""
    loops, split = tiling_loops(tiling), tiling.tile.split
    total = sum((loop.count for loop in loops), start=0)
    if split == 1:
        return Steps(tuple(_write_range(text, tiling, loop, number) for number, loop in enumerate(loops)))
    each = text.count(ceildiv(total, split))
    part = text.let("part", "tl.program_id(1)")
    first = text.let("first_step", f"{part} * {each}")
    last = text.let("last_step", f"tl.minimum({first} + {each}, {text.count(total)})")
    if len(loops) == 1:
        return Steps(((first, last),), part)
    before: Dim = 0
    ranges = []
    for number, loop in enumerate(loops):
        count, start = _rounds(text, tiling, loop), text.count(before)
        low, high = (f"tl.minimum(tl.maximum({of} - {start}, 0), {count})" for of in (first, last))
        ranges.append((text.let(f"first_step{number}", low), text.let(f"last_step{number}", high)))
        before = before + loop.count
    return Steps(tuple(ranges), part)


def _write_range(text: KernelText, tiling: Tiling, loop: Loop, number: int) -> tuple[str, str]:
    """All rounds of a loop, under names."""
    return text.let(f"first_step{number}", "0"), text.let(f"last_step{number}", _rounds(text, tiling, loop))


def _rounds(text: KernelText, tiling: Tiling, loop: Loop) -> str:
    """The rounds of a loop. A count of 1 is hidden: the loop would be unrolled, and each copy waited for by itself."""
    is_hidden = loop.count == 1 and loop.together > 1 and tiling.tile.stages > 1
    return "tl.minimum(tl.num_programs(0), 1)" if is_hidden else text.count(loop.count)


def write_prefetches(text: KernelText, tiling: Tiling, place: Place, steps: Steps) -> None:
    """Prefetch this program's packed operands."""
    for loop, (first, last) in zip(tiling_loops(tiling), steps.ranges, strict=True):
        for number, each in loop.products:
            many = f" * {each}" if each > 1 else ""
            write_prefetch(text, tiling, tiling.products[number], place, f"{first}{many}", f"{last}{many}")


def write_loops(
    text: KernelText,
    tiling: Tiling,
    steps: Steps,
    operands: Sequence[Operands],
    multiply: Callable[[Product, Loaded], None],
) -> None:
    """All steps of all products."""
    for loop, (first, last) in zip(tiling_loops(tiling), steps.ranges, strict=True):
        with text.loop(text.name("step"), f"range({first}, {last})") as counter:
            for number, step in _steps(loop, counter):
                multiply(tiling.products[number], operands[number].load(text, step))


def _steps(loop: Loop, counter: Name) -> Iterator[tuple[int, str]]:
    """Each step of a round: its product, and its number there."""
    for number, steps in loop.products:
        for i in range(steps):
            yield number, counter if steps == 1 else f"({counter} * {steps}{f' + {i}' if i else ''})"
