"""The error for a node whose definition fails: the model's fault if ONNX refuses the node too, otherwise ours."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
import onnx.shape_inference
import onnx_ir as ir

from burnish.dims import format_shape
from burnish.errors import BurnishError, InternalError, UserError
from burnish.ops.inference.infer_reference import single_node_model
from burnish.ops.language.definition import Tensor

# an axis that is not there, lengths that differ, an index of another rank
UNFIT = (AssertionError, LookupError, OverflowError, ValueError, ZeroDivisionError)
REFUSALS = (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, TypeError)


def failed(
    node: ir.Node, error: Exception, tensors: Mapping[ir.Value, Tensor], opsets: Mapping[str, int]
) -> BurnishError:
    """E203 with the words of ONNX's own inference, E901 where ONNX finds nothing wrong."""
    try:
        model = single_node_model(node, tensors, opsets, {})
        onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    except REFUSALS as refusal:
        return misfit(node, " ".join(str(refusal).split())[:300], tensors)
    if isinstance(error, UNFIT):
        return misfit(node, f"an axis, a length or a number of it is none ({type(error).__name__}: {error})", tensors)
    return InternalError(
        "E901",
        f"{node.op_type} is taken for another form than it has: {type(error).__name__}: {error}",
        where=where(node, tensors),
        why="ONNX's own shape inference finds nothing wrong with the node",
        hint="check the model with onnx.checker; if it is valid, please report it",
    )


def misfit(node: ir.Node, reason: str, tensors: Mapping[ir.Value, Tensor]) -> UserError:
    return UserError(
        "E203",
        f"{node.op_type} cannot take its inputs: {reason}",
        where=where(node, tensors),
        why="the model is not valid ONNX at this node",
        hint="run onnx.checker.check_model(model, full_check=True) and re-export the model",
    )


def where(node: ir.Node, tensors: Mapping[ir.Value, Tensor]) -> str:
    present = [tensors[v] for v in node.inputs if v is not None and v in tensors]
    given = [f"{t.name} {t.dtype.value}{format_shape(t.shape)}" for t in present]
    return f"node '{node.name}', inputs " + ", ".join(given)
