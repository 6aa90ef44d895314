"""Network -> ONNX: the nodes and constants that layers emit, put together as one onnx_ir.Model.

Layers call `node` and `constant` and get back value names. Names are made from the layer's name, so that messages and
profiles of the built plan speak of the user's layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper

from burnish.importers.upgrade import TARGET_OPSET

SMALL = 1024  # elements; constants up to this many take part in shape inference


class Emission:
    """One translation under way."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, ir.TensorProtocol] = {}
        self._layer = ""
        self._taken: set[str] = set()

    def reserve(self, names: Sequence[str]) -> None:
        """Names that no made-up one may equal."""
        self._taken.update(names)

    def begin(self, layer: str) -> None:
        """Start a layer: the following nodes are emitted for it."""
        self._layer = layer

    def unique(self, name: str) -> str:
        """`name`, with a number added if it is taken."""
        found, number = name, 1
        while found in self._taken:
            found, number = f"{name}_{number}", number + 1
        self._taken.add(found)
        return found

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output; its name."""
        return self.nodes_outputs(op_type, inputs, 1, **attributes)[0]

    def nodes_outputs(self, op_type: str, inputs: Sequence[str], count: int, **attributes: Any) -> list[str]:
        """Add a node with `count` outputs; their names."""
        name = self.unique(f"{self._layer}/{op_type}")
        outputs = [name] if count == 1 else [self.unique(f"{name}.{n}") for n in range(count)]
        self.nodes.append(helper.make_node(op_type, list(inputs), outputs, name=name, **attributes))
        return outputs

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Add a constant; its name."""
        array = np.ascontiguousarray(np.asarray(value, dtype))
        name = self.unique(f"{self._layer}/constant")
        self.constants[name] = ir.Tensor(array.reshape(np.shape(value)), name=name)
        return name

    def integers(self, values: Sequence[int]) -> str:
        """Add a constant i64 vector: axes, shapes."""
        return self.constant(np.asarray(list(values), np.int64))

    def model(
        self, name: str, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[onnx.ValueInfoProto]
    ) -> ir.Model:
        """The whole as a model; constants are shared, not copied."""
        placeholders = [_placeholder(n, t) for n, t in self.constants.items()]
        graph = helper.make_graph(self.nodes, name, list(inputs), list(outputs), placeholders)
        model: ir.Model = ir.from_proto(helper.make_model(graph, opset_imports=[helper.make_opsetid("", TARGET_OPSET)]))
        for key, tensor in self.constants.items():
            model.graph.initializers[key].const_value = tensor
        return model

    def inferred(self, inputs: Sequence[onnx.ValueInfoProto], outputs: Sequence[str]) -> dict[str, onnx.ValueInfoProto]:
        """Types and shapes of the named values, as far as ONNX finds them; large constants take part as inputs."""
        small = {n: t for n, t in self.constants.items() if t.size <= SMALL}
        large = [
            helper.make_tensor_value_info(n, int(t.dtype), list(t.shape.numpy()))
            for n, t in self.constants.items()
            if n not in small
        ]
        graph = helper.make_graph(
            self.nodes,
            "inference",
            [*inputs, *large],
            [onnx.ValueInfoProto(name=o) for o in outputs],
            [ir.to_proto(ir.Tensor(t.numpy(), name=n)) for n, t in small.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", TARGET_OPSET)])
        return {
            o.name: o for o in onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph.output
        }


def _placeholder(name: str, tensor: ir.TensorProtocol) -> onnx.TensorProto:
    """A tensor of the right type and shape whose bytes are nowhere; `model` puts the real one in its place."""
    proto = onnx.TensorProto(name=name, data_type=int(tensor.dtype), dims=list(tensor.shape.numpy()))
    proto.data_location = onnx.TensorProto.EXTERNAL
    proto.external_data.add(key="location", value="placeholder")
    return proto
