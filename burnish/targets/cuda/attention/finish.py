"""The end of the rows of an attention: adds up the parts of a split, and turns sums into the output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.dtypes import DType
from burnish.targets.cuda.attention.kernel import Attention
from burnish.targets.cuda.attention.places import (
    Rows,
    both,
    part_exists,
    part_of,
    row_exists,
    row_exists_column,
    rows_at,
    scaled,
)
from burnish.targets.cuda.text import KernelText, Name, Variable


@dataclass(frozen=True, slots=True)
class State:
    """A program's results for its rows: the highest score and the total of exponentials, [block_m], and the sums of
    values, [block_m, width] for each piece of a head."""

    highest: Variable
    total: Variable
    sums: tuple[Variable, ...]


def write_finish(text: KernelText, attention: Attention, rows: Rows, total: Name, sums: Sequence[Name]) -> None:
    """out = sums / total; zeros for a row that has seen no key. Sums of codes are scaled, and may become codes."""
    codes, twice = attention.codes, attention.looks_twice
    total = text.let("total", f"tl.where({total} == 0.0, 1.0, {total})")
    scale = codes.values * (codes.weights if twice else 1.0) if codes else 1.0
    out = text.pointer(len(attention.kernel.slots) - 1)
    out_rows = rows_at(text, attention, rows, out, attention.out)
    for piece, each in zip(attention.values, sums, strict=True):
        exists = both(row_exists_column(text, attention, rows), part_exists(piece))
        part = scaled(text, f"{part_of(piece)}[None, :]", attention.out.strides[3])
        number = each if twice else f"({each} / {total}[:, None])"
        if codes:
            number = f"({number} * {scale!r})"
        if codes and codes.out:
            number = f"({number} / {codes.out!r})"  # the conversion saturates by itself
        value = f"{number}.to({out}.dtype.element_ty)"
        where = f", mask={exists}" if exists else ""
        text.line(f"tl.store({out_rows}[:, None] + {part or 0}, {value}{where})")


def write_merge(text: KernelText, attention: Attention, rows: Rows, state: State) -> None:
    """The last program of a row adds up the results of the others: their maxima, totals and sums."""
    each = attention.partial_elements
    partial = text.workspace(
        "partial", attention.partial, attention.programs * (attention.splits * each * attention.partial.size_bytes)
    )
    arrivals = text.workspace("arrivals", DType.I32, attention.programs * 4, zeroed=True)
    theirs = text.let("theirs", f"{partial} + {rows.program}.to(tl.int64) * {attention.splits * each}")
    mine = text.let("mine", f"{theirs} + tl.program_id(1) * {each}")
    lanes = f"tl.arange(0, {attention.block_m})"
    exist = row_exists(text, attention, rows)
    left = [(lanes, state.highest, ""), (f"{attention.block_m} + {lanes}", state.total, "")]
    left += [(_sums_at(attention, n), value, "[:, None]") for n, value in enumerate(state.sums)]
    for offset, value, column in left:
        text.line(f"tl.store({mine} + {offset}, {value}{f', mask={exist}{column}' if exist else ''})")
    text.line("tl.debug_barrier()")
    arrived = text.let("arrived", f'tl.atomic_add({arrivals} + {rows.program}, 1, sem="acq_rel")')
    text.line("tl.debug_barrier()")
    with text.block(f"if {arrived} == {attention.splits - 1}"):
        text.line(f"tl.store({arrivals} + {rows.program}, 0)")
        write_finish(text, attention, rows, *_write_added(text, attention, theirs, exist))


def _write_added(text: KernelText, attention: Attention, theirs: Name, exist: str) -> tuple[Name, list[Variable]]:
    """The total and the sums of all parts."""
    each, factor = attention.partial_elements, repr(attention.to_exponent)
    lanes = f"tl.arange(0, {attention.block_m})"
    every = f"tl.arange(0, {attention.splits})[:, None] * {each} + {lanes}[None, :]"

    def read(base: str, offset: str, index: str) -> str:
        exists = f", mask={exist}{index}, other=0.0" if exist else ""
        return f'tl.load({base} + {offset}{exists}, cache_modifier=".cg")'

    maxima = text.let("maxima", read(theirs, every, "[None, :]"))
    highest = text.let("highest", f"tl.max({maxima}, 0)")
    shift = text.let("shift", f'tl.where({highest} == float("-inf"), 0.0, {highest})')
    growth = text.let("growth", f"tl.exp2(({maxima} - {shift}[None, :]) * {factor})")
    totals = read(f"{theirs} + {attention.block_m}", every, "[None, :]")
    total = text.let("total", f"tl.sum({totals} * {growth}, 0)")
    sums = write_zeros(text, attention)
    with text.loop(text.name("split"), f"tl.static_range({attention.splits})") as split:
        there = text.let("there", f"{theirs} + {split} * {each}")
        grow = text.let("grow", f"tl.exp2(({read(there, lanes, '')} - {shift}) * {factor})")
        for n, value in enumerate(sums):
            text.add(value, f"{read(there, _sums_at(attention, n), '[:, None]')} * {grow}[:, None]")
    return total, sums


def write_zeros(text: KernelText, attention: Attention) -> list[Variable]:
    """Sums before any value: zeros."""
    return [
        text.variable(f"sum{n}", f"tl.zeros(({attention.block_m}, {piece.width}), {attention.accumulator})")
        for n, piece in enumerate(attention.values)
    ]


def _sums_at(attention: Attention, number: int) -> str:
    """Where a program leaves the sums of a piece."""
    widths = [p.width for p in attention.values]
    first, width = attention.block_m * (2 + sum(widths[:number])), widths[number]
    return f"{first} + tl.arange(0, {attention.block_m})[:, None] * {width} + tl.arange(0, {width})[None, :]"
