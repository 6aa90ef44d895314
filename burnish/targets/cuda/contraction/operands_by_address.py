"""Operands of a contraction by addresses: any strides, any alignment, windows as masks.

A's tile is [m, k], B's [n, k]. In chunks, a tap's place in A is one number, and a window's test has shape [m]. In flat
steps (few channels) each of the k elements has its own place, and the test has shape [m, k].
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dims import Dim
from burnish.kernels.task import Window
from burnish.targets.cuda.contraction.multiply import read_as
from burnish.targets.cuda.contraction.operands import Loaded
from burnish.targets.cuda.contraction.places import Place, Rows, scaled, write_counters, write_rows
from burnish.targets.cuda.contraction.tiling import Product, Tiling
from burnish.targets.cuda.expressions.arithmetic import nothing
from burnish.targets.cuda.text import KernelText, Name


@dataclass(frozen=True, slots=True)
class Depth:
    """The range of a step: the taps' counters (numbers, or [k]), the channels, and which of them exist ([k])."""

    taps: tuple[Name, ...]
    channel: Name
    exists: Name | None


@dataclass(frozen=True, slots=True)
class Addresses:
    """The operands of one product: see `Operands`.

    a_rows, b_rows  the addresses of the rows of A [m, 1] and of B [n, 1] at k = 0
    windows         where the rows lie in each window, [m]
    deep            0, 1 ... of a step, [k]
    """

    tiling: Tiling
    product: Product
    a_rows: Name
    b_rows: Name
    windows: tuple[Name, ...]
    deep: Name

    def load(self, text: KernelText, step: str) -> Loaded:
        """a [m, k] and b [n, k]."""
        tiling, product = self.tiling, self.product
        depth = (
            _write_flat(text, product, self.deep, step)
            if product.reduction.is_flat
            else _write_chunk(text, product, self.deep, step)
        )
        a = self._load_a(text, depth)
        if product.kernel.packed:
            return Loaded(
                a, text.let("b", f"tl.load({self.b_rows} + ({step} * {product.tile.k} + {self.deep})[None, :])")
            )
        taps, channel = product.reduction.taps, product.reduction.channel
        terms = [scaled(text, tiling, n, run.b_stride) for n, run in zip(depth.taps, taps) if run.b_stride != 0]
        terms.append(scaled(text, tiling, depth.channel, channel.b_stride))
        zero = nothing(product.dtypes[1])
        mask = f", mask={depth.exists}[None, :], other={zero}" if depth.exists else ""
        return Loaded(a, text.let("b", f"tl.load({self.b_rows} + ({' + '.join(terms)})[None, :]{mask})"))

    def _load_a(self, text: KernelText, depth: Depth) -> Name:
        tiling, reduction = self.tiling, self.product.reduction
        taps, channel = reduction.taps, reduction.channel
        terms = [scaled(text, tiling, n, run.a_stride) for n, run in zip(depth.taps, taps) if run.a_stride != 0]
        terms.append(scaled(text, tiling, depth.channel, channel.a_stride))
        masks = self._tests(text, depth) + ([f"{depth.exists}[None, :]"] if depth.exists else [])
        zero = nothing(self.product.dtypes[0])
        mask = f", mask={' & '.join(masks)}, other={zero}" if masks else ""
        return text.let("a", f"tl.load({self.a_rows} + ({' + '.join(terms)})[None, :]{mask})")

    def _tests(self, text: KernelText, depth: Depth) -> list[str]:
        """The tests of the windows' coordinates, [m, 1] or [m, k]."""
        found = []
        for window, rows in zip(self.product.kernel.windows, self.windows, strict=True):
            moved, is_deep = _moved(self.product, window, depth)
            at = f"({rows}[:, None]{f' + ({moved})' + ('[None, :]' if is_deep else '') if moved else ''})"
            found += [f"({at} >= 0)", f"({at} < {text.count(window.extent)})"]
        return found


def write_addresses(text: KernelText, tiling: Tiling, place: Place) -> list[Addresses]:
    """Before the loop: where the rows of A and of B begin, and where the rows lie in each window."""
    rows = write_rows(text, tiling, place, (), inside=True)
    return [_write_product(text, tiling, product, place, rows) for product in tiling.products]


def _write_product(text: KernelText, tiling: Tiling, product: Product, place: Place, rows: Rows) -> Addresses:
    windows = product.kernel.windows
    terms = [scaled(text, tiling, name, r.a_stride) for name, r in zip(rows.pixels, product.pixels) if r.a_stride != 0]
    first = sum((w.first * w.stride for w in windows), start=0)  # windows' coordinates start at `first`
    base = _at_groups(text, tiling, product, place, 0) + (f" + {text.number(first)}" if first != 0 else "")
    a_rows = text.let("a_rows", f"{base} + ({' + '.join(terms) or f'{rows.row} * 0'})[:, None]")
    moved = tuple(_write_window(text, product, rows, i, window) for i, window in enumerate(windows))
    deep = text.let("deep", f"tl.arange(0, {tiling.tile.k})")
    column = text.let("column_read", f"{place.column} + tl.arange(0, {tiling.tile.n})")
    stride: Dim
    if product.kernel.packed:
        columns, depth = product.packed_shape
        group = f" + ({place.group}).to(tl.int64) * {columns * depth}" if place.group else ""
        base, stride = text.pointer(product.slots[1], read_as(product, tiling.target)[1]) + group, depth
    else:
        column = text.let("column_read", f"tl.minimum({column}, {text.count(tiling.kernel.n.extent)} - 1)")
        base, stride = _at_groups(text, tiling, product, place, 1), product.shape.n_stride
    offset = f"{column}.to(tl.int64)" if tiling.is_wide else column
    b_rows = text.let("b_rows", f"{base} + ({offset} * {text.number(stride)})[:, None]")
    return Addresses(tiling, product, a_rows, b_rows, moved, deep)


def _write_window(text: KernelText, product: Product, rows: Rows, number: int, window: Window) -> Name:
    """Where the rows lie in a window, [m]."""
    runs = zip(rows.pixels, product.pixels)
    places = [(name, step) for name, r in runs for x, step in window.steps if x in r.axes]
    moved = " + ".join(name if step == 1 else f"{name} * {step}" for name, step in places)
    return text.let(f"window{number}", f"{moved or f'{rows.row} * 0'} + {window.first}")


def _write_chunk(text: KernelText, product: Product, deep: Name, step: str) -> Depth:
    """The channels of one tap."""
    taps: tuple[Name, ...] = ()
    chunks = text.count(product.reduction.padded_channels // product.tile.k)
    if product.reduction.taps:
        tap = text.let("tap", f"{step} // {chunks}")
        channel = text.let("channel", f"{step} % {chunks} * {product.tile.k} + {deep}")
        taps = write_counters(text, tap, [r.extent for r in product.reduction.taps], "tap")
    else:
        channel = text.let("channel", f"{step} * {product.tile.k} + {deep}")
    return Depth(taps, channel, _write_end(text, product, channel, product.reduction.channel.extent))


def _write_flat(text: KernelText, product: Product, deep: Name, step: str) -> Depth:
    """Any taps and channels, [k]."""
    flat = text.let("flat", f"{step} * {product.tile.k} + {deep}")
    extents = [*(r.extent for r in product.reduction.taps), product.reduction.channel.extent]
    *taps, channel = write_counters(text, flat, extents, "tap")
    return Depth(tuple(taps), channel, _write_end(text, product, flat, product.reduction.depth))


def _write_end(text: KernelText, product: Product, index: Name, extent: Dim) -> Name | None:
    """The mask of elements of a step that exist."""
    return text.let("deep_is", f"{index} < {text.count(extent)}") if product.depth_has_tail else None


def _moved(product: Product, window: Window, depth: Depth) -> tuple[str, bool]:
    """The distance that a loop step moves a window's coordinate, and whether it differs between the step's k.

    With one channel the innermost run may be a tap, and so part of a window.
    """
    runs = [*zip(depth.taps, product.reduction.taps), (depth.channel, product.reduction.channel)]
    moving = [(name, step) for name, run in runs for x, step in window.steps if x in run.axes]
    text = " + ".join(name if step == 1 else f"{name} * {step}" for name, step in moving)
    return text, product.reduction.is_flat or any(name == depth.channel for name, _ in moving)


def _at_groups(text: KernelText, tiling: Tiling, product: Product, place: Place, operand: int) -> str:
    """The address of a group's first element."""
    terms: list[str] = [text.pointer(product.slots[operand], read_as(product, tiling.target)[operand])]
    for name, run in zip(place.groups, product.shape.groups):
        stride = run.a_stride if operand == 0 else run.b_stride
        if stride != 0:
            terms.append(scaled(text, tiling, name, stride))
    return " + ".join(terms)
