"""Operands of a contraction by addresses: any strides, any alignment, windows as masks.

A's tile is [m, k], B's [n, k]. In chunks, a tap's place in A is a number, and a window's test is one of m rows; in flat
steps (few channels) each of k elements has its own place, and the test is one of [m, k].
"""

from __future__ import annotations

from burnish.dims import Dim
from burnish.kernels.task import Window
from burnish.targets.cuda.contraction.frame import Frame, write_counters, write_pixels


def write_addresses(f: Frame) -> None:
    """Before the loop: where the rows of A and of B begin, and where the rows lie in each window."""
    if f.which == 0:
        write_pixels(f, inside=True)
    terms = [f.scaled(f"pixel{i}", r.a_stride) for i, r in enumerate(f.pixels) if r.a_stride != 0]
    first = sum((w.first * w.stride for w in f.product.windows), start=0)  # windows' coordinates start at `first`
    base = _at_groups(f, 0) + (f" + {f.number(first)}" if first != 0 else "")
    f.line(f"{f.named('a_rows')} = {base} + ({' + '.join(terms) or 'row * 0'})[:, None]")
    for i, window in enumerate(f.product.windows):
        places = [(n, step) for n, r in enumerate(f.pixels) for x, step in window.steps if x in r.axes]
        moved = " + ".join(f"pixel{n}" if step == 1 else f"pixel{n} * {step}" for n, step in places)
        f.line(f"{f.named(f'window{i}')} = {moved or 'row * 0'} + {window.first}")
    f.line(f"deep = tl.arange(0, {f.tile.k})")
    f.line(f"column_read = column0 + tl.arange(0, {f.tile.n})")
    if f.product.packed:
        columns, depth = packed_shape(f)
        group = _flat_group(f)
        base = f.pointer(f.operands[1]) + (f" + ({group}).to(tl.int64) * {columns * depth}" if group else "")
        stride: Dim = depth
    else:
        f.line(f"column_read = tl.minimum(column_read, {f.count(f.kernel.n.extent)} - 1)")
        base, stride = _at_groups(f, 1), f.shape.n_stride
    offset = f"column_read.to(tl.int64) * {f.number(stride)}" if f.is_wide else f"column_read * {f.number(stride)}"
    f.line(f"{f.named('b_rows')} = {base} + ({offset})[:, None]")


def packed_shape(f: Frame) -> tuple[int, int]:
    """(columns, elements of each) of packed B: whole tiles, so that no read of it needs a mask."""
    columns, depth = f.column_tiles * f.tile.n, f.reduction.packed_depth
    assert isinstance(columns, int) and isinstance(depth, int), "a packed operand's sizes are known"
    return columns, depth


def write_loads(f: Frame, step: str) -> None:
    """In the loop, at a step of the product: a [m, k] and b [n, k]."""
    if f.reduction.is_flat:
        _write_flat(f, step)
    else:
        _write_chunk(f, step)
    if f.product.packed:
        f.line(f"b = tl.load({f.named('b_rows')} + ({step} * {f.tile.k} + deep)[None, :])")
        return
    taps, channel = f.reduction.taps, f.reduction.channel
    terms = [f.scaled(f"tap{i}", t.b_stride) for i, t in enumerate(taps) if t.b_stride != 0]
    terms.append(f.scaled("channel", channel.b_stride))
    mask = ", mask=deep_is[None, :], other=0" if _depth_has_tail(f) else ""
    f.line(f"b = tl.load({f.named('b_rows')} + ({' + '.join(terms)})[None, :]{mask})")


def _write_chunk(f: Frame, step: str) -> None:
    """The channels of one tap: `tap0` ... are numbers."""
    taps, channel = f.reduction.taps, f.reduction.channel
    chunks = f.count(f.reduction.padded_channels // f.tile.k)
    if taps:
        f.line(f"tap = {step} // {chunks}")
        f.line(f"channel = {step} % {chunks} * {f.tile.k} + deep")
        write_counters(f, "tap", [t.extent for t in taps], [f"tap{i}" for i in range(len(taps))])
    else:
        f.line(f"channel = {step} * {f.tile.k} + deep")
    if _depth_has_tail(f):
        f.line(f"deep_is = channel < {f.count(channel.extent)}")
    _write_load_a(f)


def _write_flat(f: Frame, step: str) -> None:
    """Any taps and channels: `tap0` ... and `channel` are [k]."""
    taps, channel = f.reduction.taps, f.reduction.channel
    f.line(f"flat = {step} * {f.tile.k} + deep")
    extents = [*(t.extent for t in taps), channel.extent]
    write_counters(f, "flat", extents, [*(f"tap{i}" for i in range(len(taps))), "channel"])
    if _depth_has_tail(f):
        f.line(f"deep_is = flat < {f.count(f.reduction.depth)}")
    _write_load_a(f)


def _write_load_a(f: Frame) -> None:
    taps, channel = f.reduction.taps, f.reduction.channel
    terms = [f.scaled(f"tap{i}", t.a_stride) for i, t in enumerate(taps) if t.a_stride != 0]
    terms.append(f.scaled("channel", channel.a_stride))
    masks = _tests(f) + (["deep_is[None, :]"] if _depth_has_tail(f) else [])
    mask = f", mask={' & '.join(masks)}, other=0" if masks else ""
    f.line(f"a = tl.load({f.named('a_rows')} + ({' + '.join(terms)})[None, :]{mask})")


def _tests(f: Frame) -> list[str]:
    """The tests that the windows' coordinates have, [m, 1] or [m, k]."""
    found = []
    for i, window in enumerate(f.product.windows):
        moved, is_deep = _moved(f, window)
        at = f"({f.named(f'window{i}')}[:, None]{f' + ({moved})' + ('[None, :]' if is_deep else '') if moved else ''})"
        found += [f"({at} >= 0)", f"({at} < {f.count(window.extent)})"]
    return found


def _moved(f: Frame, window: Window) -> tuple[str, bool]:
    """How far a step of the loop moves a window's coordinate, and whether that differs from one of its k to the next.

    With one channel the innermost run may be a tap, and so part of a window.
    """
    runs = [*((f"tap{i}", t) for i, t in enumerate(f.reduction.taps)), ("channel", f.reduction.channel)]
    moving = [(name, step) for name, run in runs for x, step in window.steps if x in run.axes]
    text = " + ".join(name if step == 1 else f"{name} * {step}" for name, step in moving)
    return text, f.reduction.is_flat or any(name == "channel" for name, _ in moving)


def _depth_has_tail(f: Frame) -> bool:
    depth = f.reduction.depth if f.reduction.is_flat else f.reduction.channel.extent
    return not isinstance(depth, int) or depth % f.tile.k != 0


def _at_groups(f: Frame, operand: int) -> str:
    """The address of a group's first element."""
    terms = [f.pointer(f.operands[operand])]
    for i, run in enumerate(f.shape.groups):
        stride = run.a_stride if operand == 0 else run.b_stride
        if stride != 0:
            terms.append(f.scaled(f"group{i}", stride))
    return " + ".join(terms)


def _flat_group(f: Frame) -> str:
    return "group" if f.shape.groups else ""
