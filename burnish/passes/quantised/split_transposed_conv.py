"""A transposed convolution of codes becomes a convolution, whose channels hold the places between two steps.

    ConvTranspose(DQ(x), DQ(w))  ->  Slice(DepthToSpace(Conv(DQ(x), DQ(w'))))

With stride s and kernel k, place q * s + f of the result sums w[f + s * t] * x[q - t] over t < T = ceil(k / s). For
each f that is a convolution with T taps; the s * s of them are the channels of w', which DepthToSpace places.
Taps that w does not have are its zero point. Exact. Runs before products become integers: ONNX has no transposed one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.products import matched
from burnish.passes.quantised.codes import EIGHT_BITS, Codes, Scheme, read_codes
from burnish.passes.rewrite.constants import Array, constant_array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

TO_THE_END = 2**31 - 1


@dataclass(frozen=True)
class Transposed:
    """Everything along the two spatial axes; extra: rows of zeros after the image that output_padding asks for."""

    codes: Array
    weight: Codes
    bias: Array | Codes | None
    stride: int
    groups: int
    pads: tuple[int, ...]
    taps: tuple[int, ...]
    extra: tuple[int, ...]
    output_padding: tuple[int, ...]


class SplitTransposedConv(Rule):
    op_types = ("ConvTranspose",)

    def find(self, node: ir.Node) -> Match | Skip:
        found = read_transposed(node)
        return found if isinstance(found, Skip) else matched(node, (node, found.weight.node), found=found)

    def check(self, match: Match) -> Transposed:
        found: Transposed = match.found
        return found

    def rewrite(self, op: Builder, match: Match, found: Transposed) -> ir.Value:
        node, stride = match.root, found.stride
        codes = by_place(found.codes, found.groups, stride, found.weight.scheme.zero)
        weight = _dequantize(op, codes, found.weight.scheme, found, f"{node.name}.weight")
        before = [taps - 1 for taps in found.taps]
        after = [taps - 1 + extra for taps, extra in zip(found.taps, found.extra)]
        inputs = [node.inputs[0], weight, *_bias(op, found, f"{node.name}.bias")]
        result = op.Conv(*inputs, group=found.groups, pads=[*before, *after])
        if stride > 1:
            result = op.DepthToSpace(result, blocksize=stride, mode="CRD")
        kernel = found.codes.shape[2:]
        begin = found.pads[:2]
        end = [
            (found.taps[n] + found.extra[n]) * stride - kernel[n] - found.output_padding[n] + found.pads[2 + n]
            for n in range(2)
        ]
        if not any((*begin, *end)):
            return result  # type: ignore[no-any-return]
        ends = [-n if n else TO_THE_END for n in end]
        places = (op.constant(n, f"{node.name}.slice", np.int64) for n in (list(begin), ends, [2, 3]))
        return op.Slice(result, *places)  # type: ignore[no-any-return]


def read_transposed(node: ir.Node) -> Transposed | Skip:
    """The parts of a transposed convolution of codes over two axes, or why it is not split."""
    data, weight = read_codes(node.inputs[0]), read_codes(node.inputs[1])
    if isinstance(data, Skip) or isinstance(weight, Skip):
        return data if isinstance(data, Skip) else weight  # type: ignore[return-value]
    codes = constant_array(weight.codes)
    if data.scheme.dtype not in EIGHT_BITS or data.scheme.axis is not None or codes is None:
        return Skip("its data are not codes of 8 bits with one scale, or its weight is computed")
    if codes.ndim != 4:
        return Skip(f"it has {codes.ndim - 2} spatial axes, not 2")
    if weight.scheme.axis not in (None, 1):
        return Skip(f"its weight has a scale for each place on axis {weight.scheme.axis}, which is summed")
    strides = node.attributes.get_ints("strides", (1, 1))
    odd = node.attributes.get_string("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes
    if odd or any(d != 1 for d in node.attributes.get_ints("dilations", ())) or strides[0] != strides[1]:
        return Skip("it is dilated, has different strides, or pads that its output's shape decides")
    bias = _read_bias(node)
    if isinstance(bias, Skip):
        return bias
    stride, output_padding = strides[0], tuple(node.attributes.get_ints("output_padding", (0, 0)))
    taps = tuple(-(-k // stride) for k in codes.shape[2:])
    missing = [k + o - t * stride for k, o, t in zip(codes.shape[2:], output_padding, taps)]
    extra = tuple(max(0, -(-n // stride)) for n in missing)
    groups, pads = node.attributes.get_int("group", 1), tuple(node.attributes.get_ints("pads", (0, 0, 0, 0)))
    return Transposed(codes, weight, bias, stride, groups, pads, taps, extra, output_padding)


def _read_bias(node: ir.Node) -> Array | Codes | Skip | None:
    given = node.inputs[2] if len(node.inputs) > 2 else None
    if given is None:
        return None
    found = read_codes(given)
    array = constant_array(given if isinstance(found, Skip) else found.codes)
    if array is None:
        return Skip(f"its bias {given.name} is computed")
    return array if isinstance(found, Skip) else found


def by_place(weight: Array, groups: int, stride: int, zero: Array | int = 0) -> Array:
    """[C, O / groups, k, ...] as [O * places, C / groups, T, ...], each channel's stride^axes places side by side.

    zero: what taps are that the weight does not have: one number, or one for each channel of a group
    """
    axes, kernel = weight.ndim - 2, weight.shape[2:]
    inputs, outputs, taps = weight.shape[0] // groups, weight.shape[1], [-(-k // stride) for k in kernel]
    full = np.empty((*weight.shape[:2], *(t * stride for t in taps)), weight.dtype)
    full[...] = np.asarray(zero, weight.dtype).reshape(-1, *(1,) * axes)
    full[(slice(None), slice(None), *(slice(k) for k in kernel))] = weight
    split = full.reshape(groups, inputs, outputs, *(n for t in taps for n in (t, stride)))
    split = np.flip(split, tuple(range(3, 3 + 2 * axes, 2)))
    # groups, inputs, outputs, t, f, u, g  ->  groups, outputs, f, g, inputs, t, u
    order = (0, 2, *range(4, 4 + 2 * axes, 2), 1, *range(3, 3 + 2 * axes, 2))
    return np.ascontiguousarray(split.transpose(order).reshape(groups * outputs * stride**axes, inputs, *taps))


def _dequantize(op: Builder, codes: Array, scheme: Scheme, found: Transposed, name: str) -> ir.Value:
    """DQ of codes whose channels stand s * s times in a row. A weight's scales count the channels of one group."""
    places, copies = found.stride**2, codes.shape[0] // (found.stride**2 * scheme.scale.size)
    if scheme.axis is not None:
        repeated = [np.repeat(np.tile(a, copies), places) for a in (scheme.scale, scheme.zero)]
        scheme = replace(scheme, scale=repeated[0], zero=repeated[1])
    value = op.DequantizeLinear(
        op.constant(codes, name),
        op.constant(scheme.scale, f"{name}_scale"),
        op.constant(scheme.zero.astype(scheme.dtype.numpy()), f"{name}_zero"),
        axis=None if scheme.axis is None else 0,
    )
    value.shape, value.type = ir.Shape(codes.shape), ir.TensorType(ir.DataType.FLOAT)
    return value  # type: ignore[no-any-return]


def _bias(op: Builder, found: Transposed, name: str) -> list[ir.Value]:
    places = found.stride**2
    if found.bias is None:
        return []
    if not isinstance(found.bias, Codes):
        return [op.constant(np.repeat(found.bias, places), name)]
    codes = constant_array(found.bias.codes)
    assert codes is not None
    return [_dequantize(op, np.repeat(codes, places), found.bias.scheme, found, name)]
