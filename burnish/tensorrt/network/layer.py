"""ILayer: one layer of a network; its kinds are in layers/ and parsed_layer.py.

A layer keeps its parameters and, when asked, emits ONNX nodes for them. Nothing is computed when a layer is made, so
that parameters may be set in any order afterwards. Shapes are inferred on demand, layer by layer, by ONNX's own
inference, and forgotten when a parameter changes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import onnx
import onnx_ir as ir

from burnish.errors import UserError
from burnish.reference.evaluator import evaluator
from burnish.tensorrt.datatype import DataType, burnish_dtype
from burnish.tensorrt.enums import LayerType
from burnish.tensorrt.network.emission import SMALL, Emission
from burnish.tensorrt.network.tensor import Facts, ITensor

__all__ = ["ILayer"]


class ILayer:
    """The base: name, inputs, outputs. A kind defines `emit`."""

    layer_type = LayerType.IDENTITY
    evaluated = True  # whether small known inputs give a known output

    def __init__(self, *inputs: ITensor | None, outputs: int = 1) -> None:
        self._inputs: list[ITensor | None] = []
        self._facts: tuple[Facts, ...] | None = None
        self._output_types: dict[int, DataType] = {}
        self._precision: DataType | None = None
        self.name = ""
        self.metadata = ""
        self._outputs = [ITensor("", layer=self, index=n) for n in range(outputs)]
        for index, tensor in enumerate(inputs):
            self._connect(index, tensor)

    def __setattr__(self, name: str, value: Any) -> None:
        """Setting a parameter forgets the inferred shapes."""
        super().__setattr__(name, value)
        if not name.startswith("_"):
            self.changed()

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        """Add this layer's nodes; `inputs` and the result are value names ('' for an input that is absent)."""
        raise AssertionError(f"{type(self).__name__} does not define emit")

    @property
    def type(self) -> Any:
        return self.layer_type

    @property
    def num_inputs(self) -> int:
        return len(self._inputs)

    @property
    def num_outputs(self) -> int:
        return len(self._outputs)

    def get_input(self, index: int) -> ITensor | None:
        return self._inputs[index] if 0 <= index < len(self._inputs) else None

    def get_output(self, index: int) -> ITensor:
        if not 0 <= index < len(self._outputs):
            raise UserError("E651", f"layer '{self.name}' has {len(self._outputs)} outputs; {index} is not one of them")
        return self._outputs[index]

    def set_input(self, index: int, tensor: ITensor) -> None:
        """Replace an input, or give an optional one (a shape computed at run time, for example)."""
        self._connect(index, tensor)
        self.changed()

    @property
    def precision(self) -> DataType:
        return self._precision or DataType.FLOAT

    @precision.setter
    def precision(self, value: DataType) -> None:
        self._precision = value

    @property
    def precision_is_set(self) -> bool:
        return self._precision is not None

    def reset_precision(self) -> None:
        self._precision = None

    def set_output_type(self, index: int, dtype: DataType) -> None:
        """The output is cast to this type."""
        self._output_types[index] = dtype
        self.changed()

    def get_output_type(self, index: int) -> DataType:
        return self.get_output(index).dtype

    def output_type_is_set(self, index: int) -> bool:
        return index in self._output_types

    def reset_output_type(self, index: int) -> None:
        self._output_types.pop(index, None)
        self.changed()

    def input(self, index: int = 0) -> ITensor:
        """An input that must be there; E651 names the layer if it is not."""
        tensor = self.get_input(index)
        if tensor is None:
            raise UserError("E651", f"input {index} of layer '{self.name}' is not set", hint="layer.set_input(...)")
        return tensor

    def has_input(self, index: int) -> bool:
        return self.get_input(index) is not None

    def changed(self) -> None:
        """Discard the inferred facts about the outputs, here and in every layer that uses them."""
        stack: list[ILayer] = [self]
        while stack:
            layer = stack.pop()
            if layer.__dict__.get("_facts") is not None:
                layer._facts = None
                stack += [cast("ILayer", user) for output in layer._outputs for user in output._users]

    def output_facts(self) -> tuple[Facts, ...]:
        """The known facts about the outputs: by ONNX's shape inference; by value if the inputs are small constants."""
        if self._facts is None:
            for layer in in_order([self], only=lambda known: known._facts is None):
                layer._facts = layer._infer()
        assert self._facts is not None
        return self._facts

    def emit_all(self, graph: Emission, inputs: Sequence[str]) -> list[str]:
        """`emit`, and the casts that set_output_type asked for."""
        graph.begin(self.name)
        outputs = list(self.emit(graph, inputs))
        for index, dtype in self._output_types.items():
            outputs[index] = graph.node("Cast", outputs[index], to=burnish_dtype(dtype).onnx)
        return outputs

    def _connect(self, index: int, tensor: ITensor | None) -> None:
        self._inputs.extend([None] * (index + 1 - len(self._inputs)))
        old = self._inputs[index]
        if old is not None and self._inputs.count(old) == 1:
            old._users.remove(self)
        if tensor is not None and self not in tensor._users:
            tensor._users.append(self)
        self._inputs[index] = tensor

    def _infer(self) -> tuple[Facts, ...]:
        graph = Emission()
        described: dict[str, onnx.ValueInfoProto] = {}
        names: list[str] = []
        for index, tensor in enumerate(self._inputs):
            if tensor is None:
                names.append("")
                continue
            name, facts = f"input{index}", tensor.facts
            names.append(name)
            if facts.value is not None:
                graph.constants[name] = ir.Tensor(facts.value, name=name)
            else:
                described[name] = facts.describe(name)
        graph.reserve([n for n in names if n])
        outputs = self.emit_all(graph, names)
        try:
            found = graph.inferred(list(described.values()), outputs)
        except onnx.shape_inference.InferenceError as error:
            raise UserError(
                "E651", f"the inputs of layer '{self.name}' do not fit together", where=self.name, why=str(error)
            ) from None
        facts_found = [Facts.of(found[o]) for o in outputs]
        known = not {i for n in graph.nodes for i in n.input} & described.keys()
        if known and self.evaluated and all(_is_small(f) for f in facts_found):
            return _evaluate(graph, outputs, facts_found)
        return tuple(facts_found)


def layer_of(tensor: ITensor) -> ILayer | None:
    """The layer that makes it; None for a network's input and for a constant of a parsed model."""
    return cast("ILayer | None", tensor._layer)


def in_order(last: Sequence[ILayer], only: Callable[[ILayer], bool] = lambda layer: True) -> list[ILayer]:
    """These layers and all layers they depend on, each after its sources. `only`: whether to visit a layer at all.

    raises: E652 if layers depend on each other in a circle
    """
    order: dict[ILayer, None] = {}
    waiting: dict[ILayer, None] = {}
    stack = [(layer, False) for layer in reversed(last)]
    while stack:
        layer, is_ready = stack.pop()
        if is_ready:
            del waiting[layer]
            order[layer] = None
        elif layer in waiting:
            raise UserError("E652", f"layer '{layer.name}' takes from layers that take from it")
        elif layer not in order and only(layer):
            waiting[layer] = None
            stack.append((layer, True))
            makers = [layer_of(t) for t in reversed(layer._inputs) if t is not None]
            stack += [(maker, False) for maker in makers if maker is not None]
    return list(order)


def _is_small(facts: Facts) -> bool:
    shape = facts.shape
    return shape is not None and math.prod(d if isinstance(d, int) else SMALL + 1 for d in shape) <= SMALL


def _evaluate(graph: Emission, outputs: Sequence[str], facts: Sequence[Facts]) -> tuple[Facts, ...]:
    """The outputs' values, by ONNX's reference; the graph has no inputs left."""
    described = [f.describe(o) for f, o in zip(facts, outputs)]
    model = ir.to_proto(graph.model("constant", [], described))
    values = evaluator(model).run(None, {})
    return tuple(Facts(f.elem_type, tuple(np.shape(v)), np.asarray(v)) for f, v in zip(facts, values))
