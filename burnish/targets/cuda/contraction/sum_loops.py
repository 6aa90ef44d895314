"""The loops over k: one for a product; for several products one that goes through all of them, where their steps allow.

    sum over k0 of A0 * B0  +  sum over k1 of A1 * B1          into the same accumulators

Products of 2 and 4 steps are 2 rounds of 1 and 2 steps: one pipeline, which is filled once. Where no few steps a round
come out even, there is a loop for each product, one after the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, ceildiv
from burnish.targets.cuda.contraction.frame import Frame
from burnish.targets.cuda.contraction.operands_by_copy import write_prefetch

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


def frame_loops(f: Frame) -> tuple[Loop, ...]:
    """The loops of a kernel."""
    return loops_of([f.of(i).reduction.steps for i in range(len(f.kernel.terms))], f.tile.apart)


def write_steps(f: Frame) -> None:
    """first_step, last_step: the rounds of each loop that this program has."""
    loops, split = frame_loops(f), f.tile.split
    total = sum((loop.count for loop in loops), start=0)
    if split > 1:
        each = f.count(ceildiv(total, split))
        f.line("part = tl.program_id(1)")
        f.line(f"first_step = part * {each}")
        f.line(f"last_step = tl.minimum(first_step + {each}, {f.count(total)})")
        if len(loops) == 1:
            return
    before: Dim = 0
    for loop, (first, last) in zip(loops, _ranges(f)):
        # a loop of one round would be unrolled, and its copies waited for one by one: hide how many rounds there are
        is_hidden = loop.count == 1 and loop.together > 1 and f.tile.stages > 1
        count = "tl.minimum(tl.num_programs(0), 1)" if is_hidden else f.count(loop.count)
        if split == 1:
            f.line(f"{first} = 0")
            f.line(f"{last} = {count}")
        else:
            for name, of in ((first, "first_step"), (last, "last_step")):
                f.line(f"{name} = tl.minimum(tl.maximum({of} - {f.count(before)}, 0), {count})")
        before = before + loop.count


def write_prefetches(f: Frame) -> None:
    """Ask for this program's packed operands."""
    for loop, (first, last) in zip(frame_loops(f), _ranges(f)):
        for number, steps in loop.products:
            many = f" * {steps}" if steps > 1 else ""
            write_prefetch(f.of(number), f"{first}{many}", f"{last}{many}")


def write_loops(f: Frame, load: Callable[[Frame, str], None], multiply: Callable[[Frame], None]) -> None:
    """All steps of all products."""
    for loop, (first, last) in zip(frame_loops(f), _ranges(f)):
        f.line(f"for step in range({first}, {last}):")
        f.indent += 1
        for number, step in _steps(loop):
            load(f.of(number), step)
            multiply(f.of(number))
        f.indent -= 1


def _steps(loop: Loop) -> Iterator[tuple[int, str]]:
    """Each step of a round: its product, and its number there."""
    for number, steps in loop.products:
        for i in range(steps):
            yield number, "step" if steps == 1 else f"(step * {steps}{f' + {i}' if i else ''})"


def _ranges(f: Frame) -> list[tuple[str, str]]:
    """The text of each loop's first round and of the one after its last."""
    loops = frame_loops(f)
    if f.tile.persistent:
        return [("0", f.count(loop.count)) for loop in loops]
    if len(loops) == 1:
        return [("first_step", "last_step")]
    return [(f"first_step{i}", f"last_step{i}") for i in range(len(loops))]
