"""INetworkDefinition: inputs, layers, outputs; filled by OnnxParser, by add_... methods, or by both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import onnx
import onnx_ir as ir

from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.enums import NetworkDefinitionCreationFlag
from burnish.tensorrt.interfaces import IErrorRecorder, ILogger
from burnish.tensorrt.managed import Managed
from burnish.tensorrt.network.add_layers import L, LayerMethods
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer, in_order, layer_of
from burnish.tensorrt.network.tensor import Facts, ITensor

__all__ = ["INetworkDefinition"]


@dataclass(frozen=True, eq=False)
class Translation:
    """A network as a model. values: the name of each tensor's value; nodes: the names of each layer's nodes."""

    model: ir.Model
    values: Mapping[ITensor, str]
    nodes: Mapping[ILayer, tuple[str, ...]]


class INetworkDefinition(LayerMethods, Managed):
    """Get one from `Builder.create_network`. Networks always have an explicit batch dimension."""

    has_implicit_batch_dimension = False

    def __init__(self, flags: int, logger: ILogger) -> None:
        self.name = "Unnamed Network"
        self.flags = flags
        self.logger = logger
        self.error_recorder: IErrorRecorder | None = None
        self._inputs: list[ITensor] = []
        self._outputs: list[ITensor] = []
        self._layers: list[ILayer] = []
        self._constants: dict[ITensor, ir.TensorProtocol] = {}  # of parsed models

    def get_flag(self, flag: NetworkDefinitionCreationFlag) -> bool:
        return bool(self.flags & flag.bit)

    @property
    def num_layers(self) -> int:
        return len(self._layers)

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    def get_input(self, index: int) -> ITensor | None:
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> ITensor | None:
        return self._outputs[index] if 0 <= index < len(self._outputs) else None

    def get_layer(self, index: int) -> ILayer | None:
        return self._layers[index] if 0 <= index < len(self._layers) else None

    def __len__(self) -> int:
        return len(self._layers)

    def __getitem__(self, index: int) -> ILayer:
        return self._layers[index]

    def __iter__(self) -> Iterator[ILayer]:
        return iter(self._layers)

    def __bool__(self) -> bool:
        return True

    def add_input(self, name: str, dtype: DataType, shape: Iterable[int]) -> ITensor:
        """-1 is a dimension that an optimization profile must bound."""
        if any(t.name == name for t in self._inputs):
            raise UserError("E652", f"the network has an input '{name}' already", hint="give every input its own name")
        dims = [f"{name}_{n}" if d < 0 else d for n, d in enumerate(Dims(shape))]
        tensor = ITensor(name, facts=Facts(burnish_dtype(dtype).onnx, tuple(dims)))
        self._add_input(tensor)
        return tensor

    def mark_output(self, tensor: ITensor) -> None:
        """Make a tensor an output of the network, under its name."""
        if tensor is None:
            raise UserError("E652", "mark_output was given None", hint="did the layer's get_output find its output?")
        if tensor not in self._outputs:
            tensor._is_output = True
            self._outputs.append(tensor)

    def unmark_output(self, tensor: ITensor) -> None:
        if tensor in self._outputs:
            tensor._is_output = False
            self._outputs.remove(tensor)

    def mark_output_for_shapes(self, tensor: ITensor) -> bool:
        self.mark_output(tensor)
        return True

    def remove_tensor(self, tensor: ITensor) -> None:
        """Take an input that nothing uses out of the network."""
        if tensor in self._inputs:
            self._inputs.remove(tensor)

    def set_weights_name(self, weights: object, name: str) -> bool:
        """Accepted; names of weights serve refitting, which Burnish does by building again with the timing cache."""
        return True

    def to_onnx(self) -> onnx.ModelProto:
        """The network as an ONNX model, weights included, for Netron or another runtime (Burnish's own addition)."""
        return ir.to_proto(self.to_model())

    def to_model(self) -> ir.Model:
        """The network as the build takes it. E652 if it has no outputs, or two inputs or outputs of one name."""
        return self.translated().model

    def translated(self) -> Translation:
        """The same, with what became of each tensor and each layer."""
        self._check_surface()
        graph = Emission()
        graph.reserve([t.name for t in (*self._inputs, *self._outputs)])
        graph.reserve([t._value_name for layer in self._layers for t in layer._outputs if t._value_name])
        names = {tensor: self._emit_input(graph, tensor) for tensor in self._inputs}
        for tensor, content in self._constants.items():
            names[tensor] = tensor._value_name
            graph.constants[tensor._value_name] = content
        nodes: dict[ILayer, tuple[str, ...]] = {}
        for layer in in_order([maker for t in self._outputs if (maker := layer_of(t)) is not None]):
            start = len(graph.nodes)
            outputs = layer.emit_all(graph, ["" if t is None else names[t] for t in layer._inputs])
            names.update(zip(layer._outputs, outputs))
            nodes[layer] = tuple(node.name for node in graph.nodes[start:])
        for tensor in self._outputs:
            self._emit_output(graph, tensor, names[tensor])
        described = [[_described(t) for t in tensors] for tensors in (self._inputs, self._outputs)]
        return Translation(graph.model(self.name, *described), names, nodes)

    def _add(self, layer: L) -> L:
        layer.name = f"(Unnamed Layer* {len(self._layers)}) [{layer.layer_type.name.replace('_', ' ').title()}]"
        for number, tensor in enumerate(layer._outputs):
            tensor.name = f"{layer.name}_output" if number == 0 else f"{layer.name}_output_{number}"
        self._layers.append(layer)
        return layer

    def _add_input(self, tensor: ITensor) -> None:
        tensor._is_input = True
        self._inputs.append(tensor)

    def _check_surface(self) -> None:
        if not self._outputs:
            raise UserError(
                "E652", "the network has no outputs", hint="call network.mark_output(tensor) before building"
            )
        for kind, tensors in (("inputs", self._inputs), ("outputs", self._outputs)):
            names = [t.name for t in tensors]
            twice = sorted({n for n in names if names.count(n) > 1})
            if twice:
                raise UserError(
                    "E652", f"several {kind} are called '{twice[0]}'", hint="set tensor.name of one of them"
                )

    def _emit_input(self, graph: Emission, tensor: ITensor) -> str:
        """The value that layers read: the input itself, cast or under its parsed name where those differ."""
        graph.begin(tensor.name)
        value, wanted = tensor.name, tensor._value_name
        if tensor._io_type not in (None, tensor.facts.elem_type):
            value = graph.node("Cast", value, to=tensor.facts.elem_type)
        if wanted and wanted != value:
            graph.nodes.append(onnx.helper.make_node("Identity", [value], [wanted], name=f"{tensor.name}/renamed"))
            return wanted
        return value

    def _emit_output(self, graph: Emission, tensor: ITensor, value: str) -> None:
        make_node, name = onnx.helper.make_node, f"{tensor.name}/output"
        if tensor._io_type not in (None, tensor.facts.elem_type):
            graph.nodes.append(make_node("Cast", [value], [tensor.name], name=name, to=tensor._io_type))
        elif value != tensor.name:
            graph.nodes.append(make_node("Identity", [value], [tensor.name], name=name))


def _described(tensor: ITensor) -> onnx.ValueInfoProto:
    facts = tensor.facts
    number = facts.elem_type if tensor._io_type is None else tensor._io_type
    shape = facts.shape
    if shape is not None and not tensor._is_input:  # names of an output's dimensions are the build's to infer
        shape = tuple(d if isinstance(d, int) else None for d in shape)
    return Facts(number, shape).describe(tensor.name)
