"""What the epilogue reads, asked for before the sum: it arrives while the tensor cores work, and nobody waits for it.

Loads of rows or columns (a bias) always come early; those of whole tiles (a residual) if the schedule says so, since
they wait in registers. They go by addresses (a copy would be waited for at once) and keep their own type until used.
Only where no `where` guards a load: what it guards might lie outside.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.ops.language.expr import Axis, Expr, walk
from burnish.targets.cuda.contraction.axes import address
from burnish.targets.cuda.contraction.frame import Frame, columns_have_tail, rows_have_tail, write_pixels
from burnish.targets.cuda.expressions import arithmetic
from burnish.targets.cuda.expressions.emitter import Emitter, Value


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
        """The tile's dimensions that it varies along."""
        rows = {0} if any(s != 0 for s in self.pixels) else set()
        return frozenset(rows | ({1} if self.column != 0 else set()))


def early_loads(f: Frame) -> list[EarlyLoad]:
    """The loads that come before the sum, each once, in a fixed order."""
    if f.tile.persistent and not f.tile.early:
        return []
    nodes = [e for s in f.kernel.stores for e in walk(s.value)]
    if any(e.op == "where" for e in nodes):
        return []
    found = [_early(f, e) for e in dict.fromkeys(nodes) if e.op == "load"]
    columns_only = f.tile.shared  # its epilogue has other rows than its sum
    kept = [e for e in found if e is not None and (f.tile.early or len(e.dims) < 2)]
    return [e for e in kept if not (columns_only and 0 in e.dims)]


def write_early_loads(f: Frame) -> None:
    """Before the loop: `early0` ..."""
    loads = early_loads(f)
    if not loads:
        return
    if any(0 in e.dims for e in loads):
        write_pixels(f)
    f.line(f"early_column = column0 + tl.arange(0, {f.tile.n})[None, :]")
    for i, early in enumerate(loads):
        terms = [f.pointer(early.node.attr)]
        terms += [f.scaled(f"group{n}", s) for n, s in enumerate(early.groups) if s != 0]
        terms += [f.number(early.offset)] if early.offset != 0 else []
        rows = [f.scaled(f"pixel{n}", s) for n, s in enumerate(early.pixels) if s != 0]
        terms += [f"({' + '.join(rows)})[:, None]"] if rows else []
        terms += [f.scaled("early_column", early.column)] if early.column != 0 else []
        masks = ["row_exists[:, None]"] if rows and rows_have_tail(f) else []
        if early.column != 0 and columns_have_tail(f):
            masks.append(f"(early_column < {f.count(f.kernel.n.extent)})")
        place, masking = " + ".join(terms), " & ".join(masks)
        if len(masks) == 1 and len(early.dims) == 2:
            f.line(f"early_place, early_is = tl.broadcast({place}, {masking})")
            place, masking = "early_place", "early_is"
        f.line(f"early{i} = tl.load({place}{f', mask={masking}, other=0' if masking else ''})")


def know_early_loads(f: Frame, emitter: Emitter) -> None:
    """After the loop: the epilogue's loads have their values already."""
    for i, early in enumerate(early_loads(f)):
        kind = arithmetic.register_kind(early.node.dtype)
        widen = "" if kind == arithmetic.stored_kind(early.node.dtype) else f".to(tl.{kind})"
        emitter.remember(early.node, Value(emitter.let(f"early{i}{widen}"), kind, early.dims))


def _early(f: Frame, node: Expr) -> EarlyLoad | None:
    slot = f.kernel.slots[node.attr]
    strides, offset = address(slot, node.args)
    if strides is None or not node.dtype.is_float:
        return None
    known = {f.kernel.n, *f.shape.ones, *(a for r in (*f.shape.groups, *f.shape.pixels) for a in r.axes)}
    if not set(strides) <= known:
        return None

    def of(axes: tuple[Axis, ...]) -> Dim:
        return strides.get(axes[-1], 0) if axes else 0

    groups, pixels = (tuple(of(r.axes) for r in runs) for runs in (f.shape.groups, f.pixels))
    return EarlyLoad(node, groups, pixels, strides.get(f.kernel.n, 0), offset)
