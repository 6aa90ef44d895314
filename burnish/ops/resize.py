"""Resize: read the input at the coordinates that each output index maps to, at the nearest element or between two.

Coordinates are f32, computed in ONNX Runtime's order of operations. Upscaling by a whole number needs integers only.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from burnish.dims import Dim, DimExpr, floordiv, known
from burnish.dtypes import DType
from burnish.ops.agreement import agree, not_empty
from burnish.ops.arguments import axis_in, content, dims_content, size
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor
from burnish.ops.language.evaluate_scalar import Ratio
from burnish.ops.language.expr import Expr, binary, cast, const, unary, where
from burnish.ops.language.ordering import is_at_least
from burnish.ops.registry import Misfit, Undefined, operator

COORDINATES = {
    "align_corners", "asymmetric", "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "tf_crop_and_resize"
}  # fmt: skip
ROUND: dict[str, Callable[[Expr], Expr]] = {
    "round_prefer_floor": lambda x: unary("ceil", x - 0.5),
    "round_prefer_ceil": lambda x: unary("floor", x + 0.5),
    "floor": lambda x: unary("floor", x),
    "ceil": lambda x: unary("ceil", x),
}


@dataclass(frozen=True)
class Resized:
    """One axis. scale: output / input as the model gives it; None where it follows from the sizes."""

    extent: Dim
    output: Dim
    scale: float | None
    crop: tuple[Expr, Expr] | None = None

    @property
    def factor(self) -> int:
        """The whole number by which the axis grows; 0 if it is none."""
        if self.scale is not None:
            return int(self.scale) if self.scale.is_integer() else 0
        quotient = floordiv(self.output, self.extent) if self.extent != 0 else 0
        return quotient if isinstance(quotient, int) and self.extent * quotient == self.output else 0


@operator("Resize")
def resize(node: NodeView) -> Compute:
    x, mode = node.tensor(0), node.attr("mode", "nearest")
    if mode not in ("nearest", "linear"):
        raise Undefined(f"Resize(mode='{mode}')")
    if node.attr("antialias", 0):
        raise Undefined("Resize with antialias")
    if (coordinates := node.attr("coordinate_transformation_mode", "half_pixel")) not in COORDINATES:
        raise Undefined(f"Resize(coordinate_transformation_mode='{coordinates}')")
    axes = _resized_axes(node, x)
    changed = [a for a, r in enumerate(axes) if r.extent != r.output or r.crop is not None or r.scale not in (None, 1)]
    for a in changed:
        not_empty(x, a, axes[a].output)
    body = _nearest if mode == "nearest" else _linear
    return Compute(x.dtype, tuple(r.output for r in axes), lambda i: body(node, x, axes, changed, i))


def _resized_axes(node: NodeView, x: Tensor) -> list[Resized]:
    """From scales or sizes; axes that are not listed keep their size."""
    named = [axis_in(a, x.rank) for a in node.attr("axes") or range(x.rank)]
    scales, sizes = content(node, 2), dims_content(node, 3)
    result = [Resized(d, d, None) for d in x.shape]
    if sizes:
        fitted = _fit(node, [x.shape[a] for a in named], sizes)
        for a, (output, scale) in zip(named, fitted):
            result[a] = Resized(x.shape[a], output, scale, _crop(node, a, named))
        return result
    if not scales or len(scales) != len(named):
        raise Misfit("neither scales nor sizes fit the axes")
    for a, scale in zip(named, scales):
        if isinstance(scale, DimExpr | Ratio):
            result[a] = Resized(x.shape[a], _scaled_by(x.shape[a], scale), None, _crop(node, a, named))
        else:
            result[a] = Resized(x.shape[a], _scaled(x.shape[a], scale), float(scale), _crop(node, a, named))
    return result


def _scaled(extent: Dim, scale: float) -> Dim:
    """floor(extent * scale)"""
    if isinstance(extent, int):
        return math.floor(extent * scale)
    ratio = Fraction(scale).limit_denominator(1 << 12)
    return floordiv(extent * ratio.numerator, ratio.denominator)


def _scaled_by(extent: Dim, scale: DimExpr | Ratio) -> Dim:
    above, below = (scale.above, scale.below) if isinstance(scale, Ratio) else (scale, 1)
    return floordiv(extent * above, below)


def _fit(node: NodeView, extents: Sequence[Dim], sizes: Sequence[Dim]) -> list[tuple[Dim, float | None]]:
    """Output sizes (and their common scale) under keep_aspect_ratio_policy."""
    policy = node.attr("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return [(s, None) for s in sizes]
    if not all(isinstance(d, int) for d in (*extents, *sizes)):
        raise Undefined(f"Resize(keep_aspect_ratio_policy='{policy}') of symbolic sizes")
    ratios = [Fraction(known(s), known(d)) for s, d in zip(sizes, extents)]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    return [(math.floor(scale * known(d) + Fraction(1, 2)), float(scale)) for d in extents]


def _crop(node: NodeView, a: int, named: list[int]) -> tuple[Expr, Expr] | None:
    """Begin and end of the region of interest on an axis (tf_crop_and_resize)."""
    if node.attr("coordinate_transformation_mode") != "tf_crop_and_resize":
        return None
    roi = node.optional(1)
    if roi is None or roi.shape[0] == 0:
        raise Misfit("tf_crop_and_resize without roi")
    agree(roi.shape[0], 2 * len(named), f"the length of '{roi.name}' and two for each axis")
    n = named.index(a)
    return cast(roi[(n,)], DType.F32), cast(roi[(len(named) + n,)], DType.F32)


def coordinate(node: NodeView, r: Resized, index: Expr) -> Expr:
    """The position of the output index on the input's axis, in f32."""
    mode = node.attr("coordinate_transformation_mode", "half_pixel")
    i, extent, output = cast(index, DType.F32), size(r.extent, DType.F32), size(r.output, DType.F32)
    scale = const(r.scale, DType.F32) if r.scale is not None else output / extent
    if mode == "asymmetric":
        return i / scale
    if mode == "align_corners":
        spread = where(binary("gt", output, 1), output - 1, const(1, DType.F32))
        return i * (extent - 1) / spread
    if mode == "tf_crop_and_resize":
        assert r.crop is not None
        begin, end = r.crop
        centre = (begin + end) * 0.5 * (extent - 1)
        if r.output == 1:
            return centre
        steps = output - 1 if is_at_least(r.output, 2) else where(binary("gt", output, 1), output - 1, 1)
        point = begin * (extent - 1) + i * (end - begin) * (extent - 1) / steps
        return point if is_at_least(r.output, 2) else where(binary("gt", output, 1), point, centre)
    half = (i + 0.5) / scale - 0.5
    if mode == "pytorch_half_pixel":
        return where(binary("gt", output, 1), half, const(0, DType.F32))
    if mode == "half_pixel_symmetric":
        adjustment = output / (scale * extent)
        centre = extent / 2
        return centre * (const(1, DType.F32) - adjustment) + half
    assert mode == "half_pixel", mode
    return half


def _nearest(node: NodeView, x: Tensor, axes: list[Resized], changed: list[int], i: Index) -> Expr:
    position = list(i)
    outside: list[Expr] = []
    for a in changed:
        position[a] = _nearest_position(node, axes[a], i[a])
        outside += _outside(node, axes[a], i[a])
    return _extrapolated(node, x[position], outside)


def _nearest_position(node: NodeView, r: Resized, index: Expr) -> Expr:
    mode = node.attr("coordinate_transformation_mode", "half_pixel")
    rounding = node.attr("nearest_mode", "round_prefer_floor")
    if r.factor and r.crop is None:
        centred = mode in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round")
        if (mode == "asymmetric" and rounding == "floor") or centred:
            return index // r.factor
    return _inside(cast(ROUND[rounding](coordinate(node, r, index)), DType.I64), r.extent)


def _inside(position: Expr, extent: Dim) -> Expr:
    return binary("max", binary("min", position, extent - 1), 0)


def _outside(node: NodeView, r: Resized, index: Expr) -> list[Expr]:
    """For tf_crop_and_resize: whether the coordinate leaves the input."""
    if r.crop is None:
        return []
    at = coordinate(node, r, index)
    return [binary("or", binary("lt", at, 0), binary("gt", at, size(r.extent, DType.F32) - 1))]


def _extrapolated(node: NodeView, value: Expr, outside: list[Expr]) -> Expr:
    for condition in outside:
        value = where(condition, const(node.attr("extrapolation_value", 0.0), value.dtype), value)
    return value


def _linear(node: NodeView, x: Tensor, axes: list[Resized], changed: list[int], i: Index) -> Expr:
    """The weighted sum of the 2**k elements around the point; beyond the edge, the edge's own element.

    As ONNX Runtime sums: weights are multiplied first, those of the last axis foremost, and the last axis runs fastest.
    A quarter or a half of two codes lies on a tie of the next QuantizeLinear, so each rounding decides.
    """
    wide = DType.F64 if x.dtype is DType.F64 else DType.F32
    corners: list[tuple[tuple[Expr, Expr], tuple[Expr, Expr]]] = []
    outside: list[Expr] = []
    for a in changed:
        corners.append(_ends(coordinate(node, axes[a], i[a]), axes[a].extent, wide))
        outside += _outside(node, axes[a], i[a])
    total: Expr | None = None
    for corner in itertools.product(*corners):
        position = list(i)
        for a, (where_, _) in zip(changed, corner):
            position[a] = where_
        weight: Expr | None = None
        for _, factor in reversed(corner):
            weight = factor if weight is None else weight * factor
        value = cast(x[position], wide)
        value = value if weight is None else weight * value
        total = value if total is None else total + value
    assert total is not None
    return _extrapolated(node, cast(total, x.dtype), outside)


def _ends(at: Expr, extent: Dim, wide: DType) -> tuple[tuple[Expr, Expr], tuple[Expr, Expr]]:
    """The elements below and above a coordinate, and their weights: a half each where both are the last one."""
    at = binary("max", binary("min", at, size(extent, DType.F32) - 1), 0)
    below = unary("floor", at)
    after, first = cast(at - below, wide), cast(below, DType.I64)
    last = binary("ge", first, extent - 1)
    low, high = _inside(first, extent), _inside(first + 1, extent)
    return (low, where(last, 0.5, const(1, wide) - after)), (high, where(last, 0.5, after))
