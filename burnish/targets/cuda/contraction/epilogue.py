"""The end of a contraction's kernel: the task's stores of the sums, by addresses or, if they are dense, by copies.

Loads at every pixel and column (residuals) use copies too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from burnish.dims import Dim
from burnish.kernels.contraction_runs import Run
from burnish.kernels.task import Store
from burnish.ops.language.expr import Axis, Expr, walk
from burnish.targets.cuda.contraction.axes import Coordinate, copied_tile
from burnish.targets.cuda.contraction.early_loads import EarlyLoad, know_early_loads
from burnish.targets.cuda.contraction.operands_by_copy import map_of
from burnish.targets.cuda.contraction.places import Place, Slice, counter_of, write_rows
from burnish.targets.cuda.contraction.tiling import Tiling
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.codes import BYTES, know_codes
from burnish.targets.cuda.expressions.emitter import Emitter, Value, emitter_at, placed
from burnish.targets.cuda.text import KernelText, Name

BOTH = frozenset({0, 1})


@dataclass(frozen=True, slots=True)
class Sums:
    """The values from which an epilogue starts.

    values  of the tile, [m, n], or of some of its `rows`; of each total
    early   what was loaded before the sum
    """

    place: Place
    starts: tuple[Name, ...]
    early: Mapping[EarlyLoad, Name]
    values: tuple[Name, ...]
    rows: Slice | None = None


def write_epilogue(text: KernelText, tiling: Tiling, sums: Sums) -> None:
    """Compute every value, then store every value."""
    emitter = _emitter(text, tiling, sums)
    copied = [_copied(tiling, sums, s.slot, s.index) for s in tiling.kernel.stores]
    know_early_loads(emitter, sums.early)
    _load_copies(text, tiling, sums, emitter)
    know_codes(emitter, tiling.kernel.stores)
    for store in tiling.kernel.stores:
        emitter.value(store.value)
    for i, (store, found) in enumerate(zip(tiling.kernel.stores, copied, strict=True)):
        if found is None:
            emitter.store(store.slot, store.index, emitter.value(store.value))
        else:
            _store_copy(text, tiling, sums, emitter, store, f"map_out{i}", *found)


def _emitter(text: KernelText, tiling: Tiling, sums: Sums) -> Emitter:
    """With every axis: groups scalars, pixels along dimension 0 of the tile, columns along 1."""
    rows = write_rows(text, tiling, sums.place, sums.starts, part=sums.rows)
    found = {x: placed("0") for x in tiling.shape.ones}
    row_is = text.let("row_is", f"{rows.exists}[:, None]") if rows.exists else ""
    for name, run in zip(sums.place.groups, tiling.shape.groups, strict=True):
        found |= _places_of(run, placed(name))
    for i, (name, run) in enumerate(zip(rows.pixels, tiling.pixels, strict=True)):
        found |= _places_of(run, placed(text.let(f"at{i}", f"{name}[:, None]"), frozenset({0}), row_is))
    column = text.let("column", f"{sums.place.column} + tl.arange(0, {tiling.tile.n})[None, :]")
    column_is = (
        text.let("column_is", f"{column} < {text.count(tiling.kernel.n.extent)}") if tiling.columns_have_tail else ""
    )
    found[tiling.kernel.n] = placed(column, frozenset({1}), column_is)
    masks = [Value(row_is, "int1", frozenset({0}))] if row_is and not tiling.shape.pixels else []
    masks += [Value(column_is, "int1", frozenset({1}))] if column_is and tiling.kernel.n.extent == 1 else []
    mask = masks[0] if masks else None
    if len(masks) == 2:
        mask = Value(text.let("tile_is", f"{row_is} & {column_is}"), "int1", BOTH)
    totals = tuple(Value(name, tiling.accumulator, BOTH) for name in sums.values)
    return emitter_at(text, found, accumulators=totals, mask=mask)


def _places_of(run: Run, place: Value) -> dict[Axis, Value]:
    """Only the innermost axis counts; addresses are linear, so the other axes are 0."""
    return {**{x: placed("0") for x in run.axes[:-1]}, **dict.fromkeys(run.axes[-1:], place)}


def _copied(tiling: Tiling, sums: Sums, slot: int, index: Sequence[Expr]) -> tuple[tuple[Coordinate, ...], Dim] | None:
    if not tiling.tile.is_copied or sums.rows is not None:
        return None
    return copied_tile(tiling.shape, tiling.kernel.slots[slot], index)


def _load_copies(text: KernelText, tiling: Tiling, sums: Sums, emitter: Emitter) -> None:
    """Loads of whole tiles that did not come early, before anything is computed."""
    loads = (e for s in tiling.kernel.stores for e in walk(s.value) if e.op == "load")
    for i, node in enumerate(dict.fromkeys(e for e in loads if e.dtype.is_float or e.dtype in BYTES)):
        found = None if emitter.find(node) is not None else _copied(tiling, sums, node.attr, node.args)
        if found is None:
            continue
        axes, offset = found
        name = map_of(text, f"map_in{i}", node.attr, axes, tiling.first.box_of(axes, tiling.tile.n), offset)
        kind = arithmetic.register_kind(node.dtype)
        loaded = f"{name}.load([{_corner(tiling, sums, axes)}]).reshape({tiling.tile.m}, {tiling.tile.n}).to(tl.{kind})"
        emitter.remember(node, Value(emitter.code.let(loaded), kind, BOTH))


def _store_copy(
    text: KernelText,
    tiling: Tiling,
    sums: Sums,
    emitter: Emitter,
    store: Store,
    stem: str,
    axes: Sequence[Coordinate],
    offset: Dim,
) -> None:
    wanted = tiling.kernel.slots[store.slot].dtype
    value = emitter.value(store.value)
    stored = value.text
    if wanted is not store.value.dtype:
        stored = arithmetic.cast(arithmetic.register_kind(wanted), stored)
    if value.dims != BOTH:
        stored = f"tl.broadcast_to({stored}, ({tiling.tile.m}, {tiling.tile.n}))"
    kind = arithmetic.stored_kind(wanted)
    if kind != value.kind:
        stored = f"({stored}).to(tl.{kind})"
    box = tiling.first.box_of(axes, tiling.tile.n)
    if len(box) > 2:
        stored = f"({stored}).reshape({', '.join(map(str, box))})"
    name = map_of(text, stem, store.slot, axes, box, offset)
    text.line(f"{name}.store([{_corner(tiling, sums, axes)}], {stored})")


def _corner(tiling: Tiling, sums: Sums, axes: Sequence[Coordinate]) -> str:
    """Where the tile begins in a map of these axes."""
    return ", ".join([*(counter_of(tiling.first, sums.place, sums.starts, c) for c in axes[:-1]), sums.place.column])
