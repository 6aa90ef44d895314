"""Copy tensors out of the proto: each becomes a numpy array, checked against its shape. Then the proto can be freed.

External tensors do not change: their files are mapped into memory when they are read.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from burnish.errors import UserError
from burnish.importers.check_operators import describe


def take_tensors(model: ir.Model, name: str) -> None:
    """Copy initializers and tensor attributes out of the proto they were read from, once.

    raises:  E124 a tensor whose data does not fill its shape
    """
    for graph in _graphs(model):
        for value in graph.initializers.values():
            if value.const_value is not None:
                value.const_value = _take(value.const_value, f"{name}: initializer {value.name!r}")
        for node in graph:
            for key, attribute in list(node.attributes.items()):
                if attribute.type == ir.AttributeType.TENSOR and not attribute.is_ref():
                    tensor = _take(attribute.as_tensor(), f"{name}: {describe(node)}")
                    node.attributes[key] = ir.AttrTensor(key, tensor)


def _graphs(model: ir.Model) -> Iterator[ir.Graph]:
    yield model.graph
    yield from model.graph.subgraphs()
    for function in model.functions.values():
        yield function.graph
        yield from function.subgraphs()


def _take(tensor: ir.TensorProtocol, where: str) -> ir.TensorProtocol:
    if not isinstance(tensor, ir.TensorProtoTensor):
        return tensor
    try:
        array = tensor.numpy()
        if array.size and not _has_data(tensor):
            raise ValueError("it has no data")
    except (ValueError, AssertionError, TypeError) as error:
        raise UserError(
            "E124",
            f"the data of tensor {tensor.name!r} does not fill its shape",
            where=where,
            why=f"shape {list(tensor.raw.dims)}, data type {tensor.raw.data_type}: {error}",
            hint="copy or export the model again",
        ) from None
    if tensor.dtype == ir.DataType.STRING:
        return ir.StringTensor(array, shape=ir.Shape(array.shape), name=tensor.name)
    return ir.Tensor(array, dtype=tensor.dtype, name=tensor.name)


def _has_data(tensor: ir.TensorProtoTensor) -> bool:
    proto = tensor.raw
    return proto.HasField("raw_data") or any(
        len(getattr(proto, f"{kind}_data")) for kind in ("float", "int32", "int64", "double", "uint64", "string")
    )
