"""An ONNX node on the reference kernel: the node alone, as a model of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import onnx
import onnx_ir as ir

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.kernels.task import ReferenceStep
from burnish.lower.placement import Placement
from burnish.lower.scope import StepForm
from burnish.ops.branches import captured
from burnish.ops.language.definition import Tensor
from burnish.plan.manifest import TensorSpec


def lower_reference(
    form: StepForm,
    dense: Callable[[Tensor], Placement],
    placements: Mapping[Tensor, Placement],
    name: str,
    opsets: Mapping[str, int],
) -> ReferenceStep:
    """Lower a node to a reference step. Its inputs are made dense first.

    raises: E210 if an input or output is no tensor (a sequence, an optional, strings), E212 if its rank is unknown
    """
    node = form.node
    values = [*node.inputs, *captured(node)]
    inputs: list[TensorSpec] = []
    for value, tensor in zip(values, form.inputs):
        if value is None or any(r.name == value.name for r in inputs):
            continue
        if tensor is None or tensor.dtype is DType.STRING:
            raise _not_a_tensor(node, name, value, tensor)
        at = dense(tensor)
        inputs.append(TensorSpec(value.name or "", tensor.dtype, tensor.shape, at.storage))
    outputs: list[TensorSpec] = []
    for value, tensor in zip(node.outputs, form.outputs):
        if not value.name:
            continue
        if tensor is None or tensor.dtype is DType.STRING:
            raise _not_a_tensor(node, name, value, tensor)
        outputs.append(TensorSpec(value.name, tensor.dtype, tensor.shape, placements[tensor].storage))
    return ReferenceStep(name, node.op_type, _model_of(node, inputs, outputs, opsets), tuple(inputs), tuple(outputs))


def _model_of(node: ir.Node, inputs: list[TensorSpec], outputs: list[TensorSpec], versions: Mapping[str, int]) -> bytes:
    def info(ref: TensorSpec) -> onnx.ValueInfoProto:
        shape = [n if isinstance(n, int) else str(n) for n in ref.shape]
        return onnx.helper.make_tensor_value_info(ref.name, ref.dtype.onnx, shape)

    proto = ir.to_proto(node)
    graph = onnx.helper.make_graph([proto], "step", [info(r) for r in inputs], [info(r) for r in outputs])
    opsets = [onnx.helper.make_opsetid(d, v) for d, v in sorted(versions.items())]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10, producer_name="burnish")
    return bytes(model.SerializeToString(deterministic=True))


def _not_a_tensor(node: ir.Node, name: str, value: ir.Value, tensor: Tensor | None) -> UserError:
    if tensor is None and (value.type is None or isinstance(value.type, ir.TensorType)):
        return UserError(
            "E212",
            f"{node.op_type} works on a tensor of unknown rank",
            where=f"node '{name}', value '{value.name}'",
            why="a loop changes its rank, or nothing before it tells the rank",
            hint="make the rank known with constant axes and shapes",
        )
    return UserError(
        "E210",
        f"{node.op_type} works on a value that is no numeric tensor",
        where=f"node '{name}', value '{value.name}'",
        why="sequences, optionals and strings have no place in a plan's memory",
        hint="move that part of the model into pre- or post-processing",
    )
