"""Loads for the epilogue that start before the sum: data arrives while the tensor cores work, and nothing waits for it.

Loads of rows or columns (a bias) are always early. Loads of whole tiles (a residual) are early if the schedule says so,
because they stay in registers meanwhile; a program of many tiles loads them for the next one while it computes this
one, so that memory is never idle. They use addresses (a copy would be waited for at once) and keep their own
type until used. A load under a `where` is early only if its address lies inside the tensor for certain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.facts import Facts
from burnish.ops.language.expr import Axis, Expr, walk
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.axes import address
from burnish.targets.cuda.contraction.deal import PIECE, is_dealt, threads_of
from burnish.targets.cuda.contraction.places import Place, Rows, scaled, write_rows
from burnish.targets.cuda.contraction.tiling import Tiling
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.codes import BYTES
from burnish.targets.cuda.expressions.emitter import Emitter, Value
from burnish.targets.cuda.text import KernelText, Name


@dataclass(frozen=True, slots=True)
class EarlyLoad:
    """A load at a linear address: the stride of each group run, pixel run and of the columns, and the offset."""

    node: Expr
    groups: tuple[Dim, ...]
    pixels: tuple[Dim, ...]
    column: Dim
    offset: Dim

    @property
    def dims(self) -> frozenset[int]:
        """The tile's dimensions along which the load varies."""
        rows = {0} if any(s != 0 for s in self.pixels) else set()
        return frozenset(rows | ({1} if self.column != 0 else set()))


def early_loads(tiling: Tiling) -> list[EarlyLoad]:
    """The loads that come before the sum, each once, in a fixed order."""
    is_late = tiling.tile.persistent and not tiling.tile.early
    is_long = tiling.tile.n >= 32 * tiling.tile.warps  # then Triton would move the sums to where the columns are
    if is_late and not (is_long and is_dealt(tiling.kernel, tiling.tile)):
        return []
    nodes = dict.fromkeys(e for s in tiling.kernel.stores for e in walk(s.value))
    loads = [e for e in nodes if e.op == "load"]
    if any(e.op == "where" for e in nodes):
        facts = Facts(tiling.kernel.slots)
        loads = [e for e in loads if facts.is_inside(e)]
    found = [_early(tiling, e) for e in loads]
    columns_only = tiling.tile.shared  # its epilogue and its sum have different rows
    kept = [e for e in found if e is not None and (tiling.tile.early or len(e.dims) < 2)]
    return [e for e in kept if not (columns_only and 0 in e.dims)]


def loads_ahead(tiling: Tiling) -> list[EarlyLoad]:
    """Those that a program of many tiles does for its next tile."""
    return [e for e in early_loads(tiling) if 0 in e.dims] if tiling.tile.persistent else []


def write_early_loads(
    text: KernelText, tiling: Tiling, place: Place, starts: tuple[Name, ...]
) -> dict[EarlyLoad, Name]:
    """Before the sum: the value of each that was not loaded ahead, in its own type."""
    ahead = loads_ahead(tiling)
    loads = [e for e in early_loads(tiling) if e not in ahead]
    return {e: text.let("early", term) for e, term in write_loads(text, tiling, loads, place, starts).items()}


def write_loads(
    text: KernelText, tiling: Tiling, loads: Sequence[EarlyLoad], place: Place, starts: tuple[Name, ...]
) -> dict[EarlyLoad, str]:
    """The lines that loads of this tile need, and the loads themselves."""
    if not loads:
        return {}
    threads = threads_of(tiling.kernel, tiling.tile) if chip_of(tiling.target).has_warpgroups else None
    dealt = [e for e in loads if threads and len(e.dims) == 2 and e.column == 1 and e.node.dtype in BYTES]
    others = [e for e in loads if e not in dealt]
    found: dict[EarlyLoad, str] = {}
    if others:
        rows = write_rows(text, tiling, place, starts) if any(0 in e.dims for e in others) else None
        column = text.let("early_column", f"{place.column} + tl.arange(0, {tiling.tile.n})[None, :]")
        found |= {e: _load(text, tiling, e, place, rows, column) for e in others}
    if dealt and threads:
        number = text.let("early_row", f"tl.arange(0, {threads.rows})")
        rows = write_rows(text, tiling, place, starts, order=threads.row(number))
        first = f"{threads.column(number)}[:, None] + tl.arange(0, {PIECE})[None, :]"
        column = text.let("early_column", f"{place.column} + {first}")
        found |= {e: threads.whole(_load(text, tiling, e, place, rows, column)) for e in dealt}
    return found


def _load(text: KernelText, tiling: Tiling, early: EarlyLoad, place: Place, rows: Rows | None, column: Name) -> str:
    """The load of its rows and these columns, [1, n] or one for each of the rows."""
    terms: list[str] = [text.pointer(early.node.attr)]
    terms += [scaled(text, tiling, name, s) for name, s in zip(place.groups, early.groups, strict=True) if s != 0]
    terms += [text.number(early.offset)] if early.offset != 0 else []
    masks = []
    if rows is not None and 0 in early.dims:
        along = [scaled(text, tiling, name, s) for name, s in zip(rows.pixels, early.pixels) if s != 0]
        terms.append(f"({' + '.join(along)})[:, None]")
        masks += [f"{rows.exists}[:, None]"] if rows.exists else []
    if early.column != 0:
        terms.append(scaled(text, tiling, column, early.column))
        masks += [f"({column} < {text.count(tiling.kernel.n.extent)})"] if tiling.columns_have_tail else []
    at, masking = " + ".join(terms), " & ".join(masks)
    if len(masks) == 1 and len(early.dims) == 2:
        both = text.name("early_place"), text.name("early_is")
        text.line(f"{', '.join(both)} = tl.broadcast({at}, {masking})")
        at, masking = both
    zero = arithmetic.nothing(early.node.dtype)
    return f"tl.load({at}{f', mask={masking}, other={zero}' if masking else ''})"


def know_early_loads(emitter: Emitter, values: Mapping[EarlyLoad, Name]) -> None:
    """After the loop: the epilogue's loads have their values already."""
    for early, name in values.items():
        kind = arithmetic.register_kind(early.node.dtype)
        widen = "" if kind == arithmetic.stored_kind(early.node.dtype) else f".to(tl.{kind})"
        emitter.remember(early.node, Value(emitter.code.let(f"{name}{widen}"), kind, early.dims))


def _early(tiling: Tiling, node: Expr) -> EarlyLoad | None:
    slot = tiling.kernel.slots[node.attr]
    strides, offset = address(slot, node.args)
    if strides is None or not (node.dtype.is_float or node.dtype in (*BYTES, DType.I32)):
        return None
    known = {
        tiling.kernel.n,
        *tiling.shape.ones,
        *(a for r in (*tiling.shape.groups, *tiling.shape.pixels) for a in r.axes),
    }
    if not set(strides) <= known:
        return None

    def of(axes: tuple[Axis, ...]) -> Dim:
        return strides.get(axes[-1], 0) if axes else 0

    groups, pixels = (tuple(of(r.axes) for r in runs) for runs in (tiling.shape.groups, tiling.pixels))
    return EarlyLoad(node, groups, pixels, strides.get(tiling.kernel.n, 0), offset)
