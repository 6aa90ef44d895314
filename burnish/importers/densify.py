"""Sparse tensors become dense ones: sparse initializers, and Constant nodes with a sparse_value."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper


def densify(proto: onnx.ModelProto) -> None:
    """Rewrite every sparse tensor of the model, in place."""
    _densify_graph(proto.graph)
    for function in proto.functions:
        for node in function.node:
            _densify_node(node)


def _densify_graph(graph: onnx.GraphProto) -> None:
    for sparse in graph.sparse_initializer:
        graph.initializer.append(_dense(sparse))
    del graph.sparse_initializer[:]
    for node in graph.node:
        _densify_node(node)


def _densify_node(node: onnx.NodeProto) -> None:
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.SPARSE_TENSOR and node.op_type == "Constant":
            tensor = _dense(attribute.sparse_tensor)
            attribute.Clear()
            attribute.name, attribute.type = "value", onnx.AttributeProto.TENSOR
            attribute.t.CopyFrom(tensor)
        elif attribute.HasField("g"):
            _densify_graph(attribute.g)


def _dense(sparse: onnx.SparseTensorProto) -> onnx.TensorProto:
    """Indices are flat positions ([n]) or coordinates ([n, rank])."""
    values, indices = numpy_helper.to_array(sparse.values), numpy_helper.to_array(sparse.indices)
    shape = tuple(sparse.dims)
    dense = np.zeros(shape, dtype=values.dtype)
    flat = indices if indices.ndim == 1 else np.ravel_multi_index(tuple(indices.T), shape)
    dense.reshape(-1)[flat] = values
    return numpy_helper.from_array(dense, sparse.values.name)
