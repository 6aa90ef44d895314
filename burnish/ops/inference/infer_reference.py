"""Dtypes and shapes of a node that has no definition: ONNX's own shape inference, on that node alone.

Symbolic dimensions go in as parameters `d0`, `d1` ... and are read back; small known integer inputs go in as constants.
A dimension that stays open becomes a fresh symbol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import onnx.shape_inference
import onnx_ir as ir

from burnish.dims import Dim, known
from burnish.dtypes import DType
from burnish.ops.inference.infer_by_rule import infer_by_rule, infer_rank
from burnish.ops.inference.infer_classical import infer_classical
from burnish.ops.language.definition import Shape, Tensor

Fresh = Callable[[ir.Value, int], Dim]
SHAPE_INPUT = {"Reshape": 1, "ConstantOfShape": 0, "Tile": 1, "Expand": 1}  # as long as the output has axes


def infer_reference(
    node: ir.Node, tensors: Mapping[ir.Value, Tensor], opsets: Mapping[str, int], fresh: Fresh
) -> list[Tensor | None]:
    """One Tensor per output. None if its type or rank is unknown (a sequence, a custom operator)."""
    parameters: dict[str, Dim] = {}
    model = single_node_model(node, tensors, opsets, parameters)
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except onnx.shape_inference.InferenceError:
        inferred = model
    found = {v.name: v.type for v in (*inferred.graph.output, *inferred.graph.value_info)}
    results: list[Tensor | None] = []
    for index, value in enumerate(node.outputs):
        proto = found.get(value.name)
        tensor = infer_by_rule(node, value, tensors, fresh) or _from_proto(value, proto, parameters, fresh)
        tensor = tensor or _from_shape_input(node, value, tensors, fresh)
        tensor = tensor or _from_axes_input(node, value, tensors, fresh)
        tensor = tensor or infer_classical(node, index, tensors, fresh)
        if tensor is None and not _reads_unknown_rank(node, tensors):
            tensor = _as_declared(value, fresh)
        results.append(tensor or infer_rank(node, value, _dtype(proto), tensors, fresh))
    return results


def single_node_model(
    node: ir.Node, tensors: Mapping[ir.Value, Tensor], opsets: Mapping[str, int], parameters: dict[str, Dim]
) -> onnx.ModelProto:
    inputs, constants = [], []
    for value in dict.fromkeys(v for v in node.inputs if v is not None):
        tensor = tensors.get(value)
        if tensor is None:
            continue
        array = _content(tensor)
        if array is not None:
            constants.append(onnx.numpy_helper.from_array(array, value.name))
        else:
            shape = [_parameter(d, parameters) for d in tensor.shape]
            inputs.append(onnx.helper.make_tensor_value_info(value.name, tensor.dtype.onnx, shape))
    outputs = [onnx.ValueInfoProto(name=v.name) for v in node.outputs if v.name]
    graph = onnx.helper.make_graph([ir.to_proto(node)], "node", inputs, outputs, constants)
    versions = {**opsets, **({node.domain: node.version} if node.version else {})}
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in versions.items()]
    return onnx.helper.make_model(graph, opset_imports=imports)


def _content(tensor: Tensor) -> np.ndarray | None:
    if tensor.elements is None or not all(isinstance(d, int) for d in tensor.shape):
        return None
    if not all(isinstance(e, int | float | str) for e in tensor.elements):
        return None
    shape = [known(d) for d in tensor.shape]
    return np.asarray(tensor.elements).astype(tensor.dtype.numpy).reshape(shape)


def _parameter(d: Dim, parameters: dict[str, Dim]) -> int | str:
    if isinstance(d, int):
        return d
    name = next((n for n, known in parameters.items() if known == d), f"d{len(parameters)}")
    parameters[name] = d
    return name


def _from_proto(
    value: ir.Value, proto: onnx.TypeProto | None, parameters: Mapping[str, Dim], fresh: Fresh
) -> Tensor | None:
    if proto is None or not proto.tensor_type.elem_type or not proto.tensor_type.HasField("shape"):
        return None
    shape: list[Dim] = []
    for axis, d in enumerate(proto.tensor_type.shape.dim):
        if d.HasField("dim_value"):
            shape.append(d.dim_value)
        else:
            shape.append(parameters[d.dim_param] if d.dim_param in parameters else fresh(value, axis))
    return _tensor(value, proto.tensor_type.elem_type, tuple(shape))


def _dtype(proto: onnx.TypeProto | None) -> DType | None:
    number = 0 if proto is None else proto.tensor_type.elem_type
    return DType.from_onnx(number) if number in {t.onnx for t in DType} else None


def _from_shape_input(
    node: ir.Node, value: ir.Value, tensors: Mapping[ir.Value, Tensor], fresh: Fresh
) -> Tensor | None:
    """The rank is the length of the input that holds the shape, even where its content is not known."""
    position = SHAPE_INPUT.get(node.op_type)
    given = [tensors.get(v) if v is not None else None for v in node.inputs]
    shape = given[position] if position is not None and position < len(given) else None
    first = given[0] if given else None
    if node.domain not in ("", "ai.onnx") or shape is None or not isinstance(shape.shape[0], int):
        return None
    rank = shape.shape[0]
    if node.op_type == "Expand":
        if first is None:
            return None
        rank = max(rank, first.rank)
    if node.op_type == "ConstantOfShape":
        fill = node.attributes.get("value")
        dtype = DType.F32 if fill is None else DType.from_onnx(fill.as_tensor().dtype.value)
    elif first is not None:
        dtype = first.dtype
    elif value.dtype is None or value.dtype.value not in {t.onnx for t in DType}:
        return None
    else:
        dtype = DType.from_onnx(value.dtype.value)
    wanted = shape.elements if node.op_type == "Reshape" and shape.elements else (0,) * rank
    sizes = (d if isinstance(d, int) and d > 0 else fresh(value, axis) for axis, d in enumerate(wanted))
    return Tensor(value.name or "", dtype, tuple(sizes))


def _from_axes_input(node: ir.Node, value: ir.Value, tensors: Mapping[ir.Value, Tensor], fresh: Fresh) -> Tensor | None:
    """ReduceX, Squeeze, Unsqueeze: the rank follows from how many axes there are, even where which is not known."""
    is_reduction = node.op_type.startswith("Reduce")
    if node.domain not in ("", "ai.onnx") or not (is_reduction or node.op_type in ("Squeeze", "Unsqueeze")):
        return None
    x, axes = (tensors.get(v) if v is not None else None for v in (*node.inputs, None)[:2])
    if x is None or axes is None or axes.rank != 1 or not isinstance(axes.shape[0], int):
        return None
    count = axes.shape[0]
    if node.op_type == "Unsqueeze":
        rank = x.rank + count
    elif is_reduction and _integer(node, "keepdims", 1):
        rank = x.rank
    elif is_reduction and not count:
        rank = x.rank if _integer(node, "noop_with_empty_axes", 0) else 0
    else:
        rank = x.rank - count
    return Tensor(value.name or "", x.dtype, tuple(fresh(value, axis) for axis in range(rank))) if rank >= 0 else None


def _integer(node: ir.Node, name: str, default: int) -> int:
    attribute = node.attributes.get(name)
    return default if attribute is None else attribute.as_int()


def _reads_unknown_rank(node: ir.Node, tensors: Mapping[ir.Value, Tensor]) -> bool:
    """If so, what the file tells of its outputs may be true of one side of an If only."""
    is_tensor = (v.type is None or isinstance(v.type, ir.TensorType) for v in node.inputs if v is not None)
    return any(t and v not in tensors for t, v in zip(is_tensor, (v for v in node.inputs if v is not None)))


def _as_declared(value: ir.Value, fresh: Fresh) -> Tensor | None:
    """The model's own declaration of the value. Its symbols are not assumed to equal other symbols of the same name."""
    if not isinstance(value.type, ir.TensorType) or value.shape is None:
        return None
    shape = tuple(d if isinstance(d, int) else fresh(value, axis) for axis, d in enumerate(value.shape))
    return _tensor(value, value.type.dtype.value, shape)


def _tensor(value: ir.Value, onnx_dtype: int, shape: Shape) -> Tensor | None:
    try:
        return Tensor(value.name or "", DType.from_onnx(onnx_dtype), shape)
    except KeyError:
        return None
