"""What a quantiser has lost in the model's file already: biases and weights that codes no longer tell.

    sum(x codes * w codes) + bias codes          the scale of the bias is scale(x) * scale(w), its codes are i32

If that scale is tiny, a bias needs more than 32 bits: it is cut at 2^31. Some tools raise the weight's scale until the
bias fits; then the weight's own codes may all become 0. Nothing of this is seen in the plan's memory: the file says so.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from burnish.doctor.causes.channels import Array, listed
from burnish.doctor.finding import Cause, Finding
from burnish.passes.rewrite.constants import constant_array

OVERFLOW = Cause(
    "bias_overflow",
    "a bias that overflows int32",
    "The bias is counted in steps of scale(x) * scale(w), and needs more of them than 32 bits hold.",
)
RAISED = Cause(
    "raised_weight_scale",
    "weight scales that were raised for the bias",
    "A quantiser made the weight's scale so large that the bias fits into int32; the weights became 0.",
)
PRODUCTS = ("Conv", "ConvTranspose", "Gemm")
ADVICE = (
    "quantise the f32 model again: burnish build F32.onnx --int8 --calib DATA keeps biases in f32, and raises no scale"
)
END = 2**31 - 128  # codes from here on lie at the end: f32 knows no nearer numbers
LARGE = 2**27  # a bias code for whose sake a scale may have been raised
FEW = 3  # codes that a channel of weights may reach, and be as good as lost
OFF = 0.01  # of the largest bias, that a bias may be off


def find(stored: ir.Graph, exact: ir.Graph) -> list[Finding]:
    """Look at each product of codes.

    stored: the model as it is in its file; exact: the f32 model, for biases and weights as they were
    """
    found: list[Finding] = []
    right = {str(v.name): node for node in exact for v in node.outputs}
    for node in stored:
        if node.op_type not in PRODUCTS or node.domain or len(node.inputs) < 3:
            continue
        weight, bias = _codes(node.inputs[1]), _codes(node.inputs[2])
        if weight is None or bias is None or bias[0].dtype != np.int32:
            continue
        found += _product(node, weight, bias, right.get(str(node.outputs[0].name)))
    return found


def _product(
    node: ir.Node, weight: tuple[Array, Array], bias: tuple[Array, Array], right: ir.Node | None
) -> Iterator[Finding]:
    name, tensor = str(node.name), str(node.outputs[0].name)
    codes = bias[0].reshape(-1).astype(np.int64)
    own = None if right is None or len(right.inputs) < 3 else constant_array(right.inputs[2])
    is_cut = np.abs(codes) >= END
    said = (codes * bias[1].astype(np.float64).reshape(-1)).astype(np.float64)
    if own is not None and own.size == codes.size:
        off = np.abs(said - own.reshape(-1))
        is_cut &= off > OFF * np.abs(own).max(initial=0.0)
        is_cut |= off * 2 > np.abs(own.reshape(-1)) + bias[1].max(initial=0.0)
    cut = np.flatnonzero(is_cut)
    if len(cut):
        was = "" if own is None or own.size != codes.size else f"; in f32 it is {own.reshape(-1)[cut[0]]:.4g}"
        text = f"the bias of {listed(cut)} is {codes[cut[0]]} steps of {bias[1].reshape(-1)[0]:.3g}{was}"
        yield Finding(OVERFLOW, name, tensor, text, len(cut) / len(codes), advice=ADVICE)
    axis = 1 if node.op_type == "ConvTranspose" or (node.op_type == "Gemm" and not _transposes(node)) else 0
    others = tuple(a for a in range(weight[0].ndim) if a != axis)
    most = np.abs(weight[0].astype(np.int64)).max(others)
    if most.shape != codes.shape:
        return
    raised = np.flatnonzero((most <= FEW) & (np.abs(codes) >= LARGE) & ~is_cut)
    if len(raised):
        first = raised[0]
        text = f"the weights of {listed(raised)} have no code beyond {most[first]} of 127"
        text += f"; its bias is {codes[first]} steps"
        yield Finding(RAISED, name, tensor, text, len(raised) / len(codes), advice=ADVICE)


def _codes(value: ir.Value | None) -> tuple[Array, Array] | None:
    """The codes and the scales of a constant behind DequantizeLinear."""
    node = None if value is None else value.producer()
    if node is None or (node.op_type, node.domain) != ("DequantizeLinear", ""):
        return None
    codes, scale = constant_array(node.inputs[0]), constant_array(node.inputs[1])
    if codes is None or scale is None or codes.dtype.kind not in "iu":
        return None
    zero = constant_array(node.inputs[2]) if len(node.inputs) > 2 else None
    if zero is not None and codes.dtype.itemsize == 1 and zero.size == 1:
        codes = codes.astype(np.int32) - int(zero.reshape(-1)[0])
    return codes, scale


def _transposes(node: ir.Node) -> bool:
    return "transB" in node.attributes and bool(node.attributes["transB"].as_int())
