"""Windows that slide over spatial axes, for pooling and convolution.

output y, tap r  ->  input y * stride + r * dilation - pad_begin

A convolution's window must fit into its axis. A pool's may be longer by less than its stride, and is cut there: counts
are rounded towards zero, in ONNX's shape inference as in ONNX Runtime, so that such an axis has one window.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from burnish.dims import Dim, ceildiv, floordiv
from burnish.ops.agreement import agree
from burnish.ops.language.definition import Index, NodeView, Shape
from burnish.ops.language.expr import Axis, Expr, axis, fresh_axis
from burnish.ops.language.ordering import is_at_least, larger, smaller
from burnish.ops.registry import Misfit


@dataclass(frozen=True)
class Window:
    """One spatial axis. `output`: number of windows; `is_unpadded`: no pads, and no window that does not fit."""

    extent: Dim
    kernel: int
    stride: int
    dilation: int
    pad_begin: Dim
    pad_end: Dim
    output: Dim
    is_unpadded: bool = False

    @property
    def is_inside(self) -> bool:
        """Whether no window ever leaves the tensor."""
        if self.is_unpadded:
            return True
        last = (self.output - 1) * self.stride + (self.kernel - 1) * self.dilation - self.pad_begin
        return is_at_least(0, self.pad_begin) and is_at_least(self.extent - 1, last)

    def clipped(self) -> Window:
        """Without the taps that no window has inside: a 1280x1280 mean over a 7x7 image has 7x7 of them."""
        if not (isinstance(self.extent, int) and isinstance(self.pad_begin, int) and isinstance(self.output, int)):
            return self
        first = max(0, -(-(self.pad_begin - (self.output - 1) * self.stride) // self.dilation))
        end = min(self.kernel, (self.extent - 1 + self.pad_begin) // self.dilation + 1)
        if (first, end) == (0, self.kernel) or first >= end:
            return self
        return replace(self, kernel=end - first, pad_begin=self.pad_begin - first * self.dilation)

    def tap(self) -> Axis:
        """A fresh axis over the taps."""
        return fresh_axis(self.kernel)

    def position(self, index: Expr, tap: Axis) -> Expr:
        """The position at which the tap reads for the window `index`."""
        return index * self.stride + axis(tap) * self.dilation - self.pad_begin


def windows_of(node: NodeView, spatial: Shape, kernel: tuple[int, ...], must_fit: bool = True) -> list[Window]:
    """From kernel, strides, dilations, pads, auto_pad and ceil_mode. must_fit: as a convolution's must."""
    rank = len(spatial)
    if len(kernel) != rank:
        raise Misfit(f"a kernel of {len(kernel)} axes over {rank} spatial axes")
    strides, dilations = node.attr("strides", (1,) * rank), node.attr("dilations", (1,) * rank)
    pads, auto = node.attr("pads", (0,) * (2 * rank)), node.attr("auto_pad", "NOTSET")
    round_up = bool(node.attr("ceil_mode", 0))
    found = []
    for a in range(rank):
        span = (kernel[a] - 1) * dilations[a] + 1
        if auto in ("SAME_UPPER", "SAME_LOWER"):
            begin, end, output = _same(spatial[a], span, strides[a], auto == "SAME_UPPER")
        else:
            begin, end = (0, 0) if auto == "VALID" else (pads[a], pads[rank + a])
            if must_fit and spatial[a] != 0:
                text = f"a window of {span} and an axis of {spatial[a]} with its pads"
                agree(span, spatial[a] + begin + end, text, "at_most")
            output = _count(spatial[a], span, strides[a], begin, end, round_up and auto == "NOTSET", must_fit)
        is_unpadded = begin == 0 and end == 0 and not round_up and not auto.startswith("SAME")
        is_unpadded = is_unpadded and (must_fit or strides[a] == 1 or is_at_least(spatial[a], span))
        found.append(Window(spatial[a], kernel[a], strides[a], dilations[a], begin, end, output, is_unpadded))
    return found


def _same(extent: Dim, span: int, stride: int, extra_at_end: bool) -> tuple[Dim, Dim, Dim]:
    """ceil(extent / stride) windows; an odd pad goes to the end (SAME_UPPER) or to the begin."""
    output = ceildiv(extent, stride)
    total: Dim = span - 1 if stride == 1 else larger((output - 1) * stride + span - extent, 0)
    half = floordiv(total, 2)
    return (half, total - half, output) if extra_at_end else (total - half, half, output)


def _count(extent: Dim, span: int, stride: int, begin: int, end: int, round_up: bool, must_fit: bool) -> Dim:
    room = extent + (begin + end - span)
    if round_up:
        return smaller(ceildiv(room, stride) + 1, ceildiv(extent + begin, stride))  # it must start before the end
    if must_fit or stride == 1 or is_at_least(room, 0):
        return floordiv(room, stride) + 1
    return larger(floordiv(room, stride), smaller(ceildiv(room, stride), 0)) + 1


def outputs_of(windows: list[Window]) -> Shape:
    return tuple(w.output for w in windows)


def positions(windows: list[Window], index: Index, taps: list[Axis]) -> list[Expr]:
    """Input positions on all spatial axes; `index` holds the spatial part of the output's index."""
    return [w.position(i, t) for w, i, t in zip(windows, index, taps)]


def guarded_axes(windows: list[Window], first: int = 2) -> list[int]:
    """The tensor axes on which some window leaves the tensor."""
    return [first + n for n, w in enumerate(windows) if not w.is_inside]
