"""Drop what quantisation makes a no-op.

    Q(DQ(x))                  ->  x               both with equal parameters
    Q(Clip(x, low, high))     ->  Q(x)            Q saturates at the codes of low and high; likewise Relu
    Clip(DQ(x), low, high)    ->  DQ(x)           no code stands for a number outside; likewise Relu
    Clip(DQ(x), low, high)    ->  DQ(Clip(x, low', high'))          low and high are numbers that codes stand for

Exact: a code comes back from its number, since two roundings of f32 are less than half a step of up to 16 bits.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.linear import op_name
from burnish.passes.forms.products import is_shared, matched
from burnish.passes.quantised.codes import Scheme, read_codes, read_scheme
from burnish.passes.quantised.fold_scale_into_quantize import bounds_of
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

NARROW = frozenset({ir.DataType.INT8, ir.DataType.UINT8, ir.DataType.INT16, ir.DataType.UINT16})
SMALLEST = np.finfo(np.float32).tiny  # below it f32 holds fewer bits


class DropRequantisation(Rule):
    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        before = read_codes(node.inputs[0])
        if isinstance(before, Skip):
            return before
        scheme = read_scheme(node, node.outputs[0].dtype)
        if isinstance(scheme, Skip):
            return scheme
        if scheme != before.scheme:
            return Skip(f"{op_name(before.node)} has other parameters")
        if not (np.abs(scheme.scale) >= SMALLEST).all() or not np.isfinite(scheme.scale * 2.0**17).all():
            return Skip("its numbers may not be normal ones of f32")
        return matched(node, (node, before.node), codes=before.codes)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return match.codes  # type: ignore[no-any-return]


class DropClipBeforeQuantize(Rule):
    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        value = node.inputs[0]
        clip = value.producer() if value is not None else None
        bounds = bounds_of(clip) if clip is not None else None
        if value is None or clip is None or bounds is None:
            return Skip("nothing clips its input")
        if is_shared(value):
            return Skip(f"{value.name} has other users")
        scheme = read_scheme(node, node.outputs[0].dtype)
        if isinstance(scheme, Skip):
            return scheme
        if not scheme.has_positive_scale:
            return Skip("its scale is not positive")
        low, high = (_steps(bound, scheme) for bound in bounds)
        if (low > scheme.limits[0]).any() or (high < scheme.limits[1]).any():
            return Skip(f"{op_name(clip)} clips to {bounds[0]:g} and {bounds[1]:g}, inside what the codes stand for")
        return matched(node, (node, clip), x=clip.inputs[0])

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node = match.root
        kept = {k: a.value for k, a in node.attributes.items()}
        return op.QuantizeLinear(match.x, *node.inputs[1:], **kept)  # type: ignore[no-any-return]


class ClipCodes(Rule):
    """Relu and Clip of numbers that codes stand for."""

    op_types = ("Clip", "Relu")

    def find(self, node: ir.Node) -> Match | Skip:
        before, bounds = read_codes(node.inputs[0]), bounds_of(node)
        if isinstance(before, Skip):
            return before
        if bounds is None:
            return Skip("its bounds are computed")
        scheme = before.scheme
        if scheme.dtype not in NARROW or not scheme.has_positive_scale or scheme.axis is not None:
            return Skip(f"the codes of {op_name(before.node)} are wide, or their scale is not one positive number")
        codes = [code_of(bound, scheme) for bound in bounds]
        if None in codes:
            return Skip(f"no code stands for {bounds[codes.index(None)]:g}")
        return matched(node, (node, before.node), before=before, codes=codes)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        before, (low, high) = match.before, match.codes
        codes, dtype = before.codes, before.scheme.dtype
        if low > before.scheme.limits[0] or high < before.scheme.limits[1]:
            ends = (op.constant(n, f"{match.root.name}.bound", dtype.numpy()) for n in (low, high))
            codes = op.Clip(codes, *ends)
            codes.shape, codes.type = match.root.outputs[0].shape, ir.TensorType(dtype)
        return op.DequantizeLinear(codes, *before.node.inputs[1:])  # type: ignore[no-any-return]


def _steps(bound: float, scheme: Scheme) -> np.ndarray:
    """rint(bound / scale) + zero, as QuantizeLinear computes it, before it saturates."""
    return np.rint(np.float32(bound) / scheme.scale).astype(np.float64) + scheme.zero


def code_of(bound: float, scheme: Scheme) -> int | None:
    """The code that stands for exactly this number; the last code if the number lies beyond what codes stand for."""
    low, high = scheme.limits
    code = float(np.clip(_steps(bound, scheme), low, high))
    stands_for = np.float32(code - float(scheme.zero)) * scheme.scale
    if stands_for == np.float32(bound) or (code == low and bound < stands_for) or (code == high and bound > stands_for):
        return int(code)
    return None


RULES = (DropRequantisation(), DropClipBeforeQuantize(), ClipCodes())
