"""One node as a model: what ONNX's reference (or ONNX Runtime) says, and what our definition says."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper
from onnx.reference import ReferenceEvaluator

from burnish.dims import evaluate, symbol
from burnish.ops.inference.infer import infer
from burnish.ops.language.definition import Tensor
from burnish.ops.language.node_view import constant_tensor

from .interpret import interpret

OPSET = 22


def model_of(op_type, inputs, outputs=1, opset=OPSET, **attributes):
    """inputs: arrays, or None for one left out."""
    names = [f"x{n}" if a is not None else "" for n, a in enumerate(inputs)]
    results = [f"y{n}" for n in range(outputs)]
    node = helper.make_node(op_type, names, results, name="node", **attributes)
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in zip(names, inputs)
        if a is not None
    ]
    graph = helper.make_graph([node], "g", infos, [onnx.ValueInfoProto(name=r) for r in results])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def feeds_of(inputs):
    return {f"x{n}": a for n, a in enumerate(inputs) if a is not None}


def reference(op_type, inputs, outputs=1, **attributes):
    with np.errstate(all="ignore"):
        return ReferenceEvaluator(model_of(op_type, inputs, outputs, **attributes)).run(None, feeds_of(inputs))


def onnxruntime(op_type, inputs, **attributes):
    import onnxruntime

    model = ir.to_proto(ir.from_proto(onnx.shape_inference.infer_shapes(model_of(op_type, inputs, **attributes))))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, feeds_of(inputs))


def ours(op_type, inputs, outputs=1, open_first=False, **attributes):
    """The outputs by our definition; with `open_first`, the first input's dims are symbols until the end."""
    graph = ir.from_proto(model_of(op_type, inputs, outputs, **attributes)).graph
    arrays = [a for a in inputs if a is not None]
    known = {v: constant_tensor(v.name, a) for v, a in zip(graph.inputs, arrays)}
    sizes = {}
    if open_first:
        first = graph.inputs[0]
        sizes = {f"d{n}": d for n, d in enumerate(arrays[0].shape)}
        known[first] = Tensor(first.name, known[first].dtype, tuple(map(symbol, sizes)))
    found = infer(graph, known)
    (node,) = graph
    assert node not in found.undefined, found.undefined[node]
    results = []
    for value, definition in zip(node.outputs, found.definitions[node]):
        assert definition is not None
        array = interpret(definition, feeds_of(inputs), sizes)
        assert array.shape == tuple(evaluate(d, sizes) for d in found.tensors[value].shape)
        results.append(array)
    return results


def assert_same(op_type, inputs, outputs=1, tolerance=1e-5, oracle=reference, **attributes):
    """Our definition, with numbers and with symbols, agrees with the oracle."""
    wanted = oracle(op_type, inputs, **({"outputs": outputs} if outputs > 1 else {}), **attributes)
    for open_first in (False, True):
        for got, want in zip(ours(op_type, inputs, outputs, open_first, **attributes), wanted):
            assert got.shape == want.shape
            assert got.dtype == want.dtype
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance)
