"""What a contraction's kernel does with its sums: the task's stores, by addresses or, where they are dense, by copies.

`sums` is the tile's, [m, n]. Loads at every pixel and column (residuals) come by copies too.
"""

from __future__ import annotations

from collections.abc import Sequence

from burnish.dims import Dim
from burnish.kernels.task import Store
from burnish.ops.language.expr import Expr, walk
from burnish.targets.cuda.contraction.axes import Coordinate, copied_tile
from burnish.targets.cuda.contraction.early_loads import know_early_loads
from burnish.targets.cuda.contraction.frame import (
    Frame,
    accumulator_kind,
    columns_have_tail,
    rows_have_tail,
    write_pixels,
    write_places,
)
from burnish.targets.cuda.contraction.operands_by_copy import box_of, counter_of
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.emitter import Emitter, Value

BOTH = frozenset({0, 1})


def write_epilogue(f: Frame) -> None:
    """Compute every value, then store every value."""
    write_pixels(f)
    emitter = _emitter(f)
    copied = {i: _copied(f, s.slot, s.index) for i, s in enumerate(f.kernel.stores)}
    know_early_loads(f, emitter)
    _load_copies(f, emitter)
    for store in f.kernel.stores:
        emitter.value(store.value)
    for i, store in enumerate(f.kernel.stores):
        found = copied[i]
        if found is None:
            emitter.store(store.slot, store.index, store.value)
        else:
            _store_copy(f, emitter, store, f"map_out{i}", *found)


def _emitter(f: Frame) -> Emitter:
    places = write_places(f)
    masks = []
    if not f.shape.pixels and rows_have_tail(f):
        masks.append(Value("row_is", "int1", frozenset({0})))
    if f.kernel.n.extent == 1 and columns_have_tail(f):
        masks.append(Value("column_is", "int1", frozenset({1})))
    mask = masks[0] if masks else None
    if len(masks) == 2:
        f.line("tile_is = row_is & column_is")
        mask = Value("tile_is", "int1", BOTH)
    return Emitter(
        f.kernel.slots,
        places,
        pointers=[f"slot{i}" for i in range(len(f.kernel.slots))],
        sizes=f.sizes,
        lines=f.lines,
        indent=f.indent,
        accumulators=(Value("sums", accumulator_kind(f.shape.accumulator), BOTH),),
        mask=mask,
    )


def _copied(f: Frame, slot: int, index: Sequence[Expr]) -> tuple[tuple[Coordinate, ...], Dim] | None:
    if not f.tile.is_copied or f.slice is not None:
        return None
    return copied_tile(f.shape, f.kernel.slots[slot], index)


def _load_copies(f: Frame, emitter: Emitter) -> None:
    """Loads of whole tiles that did not come early, before anything is computed."""
    nodes = dict.fromkeys(e for s in f.kernel.stores for e in walk(s.value) if e.op == "load" and e.dtype.is_float)
    for i, node in enumerate(nodes):
        found = None if emitter.find(node) is not None else _copied(f, node.attr, node.args)
        if found is None:
            continue
        axes, offset = found
        name = f.tensor_map(f"map_in{i}", node.attr, axes, box_of(axes, f, f.tile.n), offset)
        kind = arithmetic.register_kind(node.dtype)
        text = f"{name}.load([{_places(f, axes)}]).reshape({f.tile.m}, {f.tile.n}).to(tl.{kind})"
        emitter.remember(node, Value(emitter.let(text), kind, BOTH))


def _store_copy(f: Frame, emitter: Emitter, store: Store, name: str, axes: Sequence[Coordinate], offset: Dim) -> None:
    wanted = f.kernel.slots[store.slot].dtype
    value = emitter.typed_value(store.value)
    text = value.text
    if wanted is not store.value.dtype:
        text = arithmetic.cast(arithmetic.register_kind(wanted), text)
    if value.dims != BOTH:
        text = f"tl.broadcast_to({text}, ({f.tile.m}, {f.tile.n}))"
    kind = arithmetic.stored_kind(wanted)
    if kind != value.kind:
        text = f"({text}).to(tl.{kind})"
    box = box_of(axes, f, f.tile.n)
    f.tensor_map(name, store.slot, axes, box, offset)
    if len(box) > 2:
        text = f"({text}).reshape({', '.join(map(str, box))})"
    f.line(f"{name}.store([{_places(f, axes)}], {text})")


def _places(f: Frame, axes: Sequence[Coordinate]) -> str:
    return ", ".join([*(counter_of(f, c) for c in axes[:-1]), "column0"])
