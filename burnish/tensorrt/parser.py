"""OnnxParser: fills a network from an ONNX model. Problems of the model become the parser's errors."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import onnx
import onnx_ir as ir

from burnish.errors import BurnishError, UserError
from burnish.importers import load_model
from burnish.tensorrt.enums import ErrorCode, OnnxParserFlag
from burnish.tensorrt.interfaces import ILogger, Severity, report
from burnish.tensorrt.managed import Managed
from burnish.tensorrt.network.emission import SMALL
from burnish.tensorrt.network.network import INetworkDefinition
from burnish.tensorrt.network.parsed_layer import OnnxLayer
from burnish.tensorrt.network.tensor import Facts, ITensor

__all__ = ["OnnxParser", "ParserError", "get_nv_onnx_parser_version"]


class ParserError:
    """One of Burnish's coded errors, with TensorRT's methods. `burnish_error` is the error itself."""

    def __init__(self, error: BurnishError) -> None:
        self.burnish_error = error

    def code(self) -> ErrorCode:
        number = int(self.burnish_error.code[1:])
        return _CODES.get(number, ErrorCode.INVALID_GRAPH if number < 200 else ErrorCode.UNSUPPORTED_NODE)

    def desc(self) -> str:
        return str(self.burnish_error)

    def node(self) -> int:
        """Always -1: Burnish names the node in `desc`, since numbers change when functions are inlined."""
        return -1

    def node_name(self) -> str:
        return self.burnish_error.where

    def node_operator(self) -> str:
        return ""

    def file(self) -> str:
        return self.burnish_error.where

    def line(self) -> int:
        return 0

    def func(self) -> str:
        return "parse"

    def local_function_stack(self) -> list[str]:
        return []

    def local_function_stack_size(self) -> int:
        return 0

    def __repr__(self) -> str:
        return self.desc()


_CODES = dict.fromkeys((101, 102, 103, 104), ErrorCode.MODEL_DESERIALIZE_FAILED)


class OnnxParser(Managed):
    """OnnxParser(network, logger), then parse(bytes) or parse_from_file(path); False means: see get_error."""

    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        self._network, self._logger = network, logger
        self._errors: list[ParserError] = []
        self._layers: dict[str, OnnxLayer] = {}
        self.flags = 0

    def parse(self, model: bytes | bytearray | memoryview, path: str | None = None) -> bool:
        """From the bytes of an ONNX file; `path` says where it lies, for external data beside it."""
        content = bytes(model)
        if path is not None and os.path.exists(path):
            return self.parse_from_file(path) if _is_file(path, content) else self._parse(content)
        return self._parse(content)

    def parse_from_file(self, model: str) -> bool:
        """From an ONNX file; external data is mapped, not copied."""
        return self._parse(model)

    def supports_model(self, model: bytes, path: str | None = None) -> tuple[bool, list[tuple[list[int], bool]]]:
        """(True, [([all node numbers], True)]) for a valid model: what has no kernel runs on the reference kernel."""
        try:
            count = sum(1 for _ in load_model(bytes(model)).model.graph)
        except BurnishError as error:
            self._record(error)
            return False, []
        return True, [(list(range(count)), True)]

    def supports_operator(self, op_name: str) -> bool:
        """True for every operator of ONNX."""
        return any(s.name == op_name for s in onnx.defs.get_all_schemas())

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def clear_errors(self) -> None:
        self._errors.clear()

    def set_flag(self, flag: OnnxParserFlag) -> None:
        self.flags |= flag.bit

    def clear_flag(self, flag: OnnxParserFlag) -> None:
        self.flags &= ~flag.bit

    def get_flag(self, flag: OnnxParserFlag) -> bool:
        return bool(self.flags & flag.bit)

    def get_layer_output_tensor(self, name: str, i: int) -> ITensor:
        """Output i of the node called `name`."""
        if name not in self._layers:
            raise UserError("E651", f"no layer of the parsed model is called '{name}'")
        return self._layers[name].get_output(i)

    def _parse(self, source: Any) -> bool:
        try:
            model = load_model(source).model
            self._fill(model)
        except BurnishError as error:
            self._record(error)
            return False
        self._logger.log(Severity.VERBOSE, f"parsed {len(self._layers)} layers")
        return True

    def _record(self, error: BurnishError) -> None:
        self._errors.append(ParserError(error))
        report(self._logger, error, self._network.error_recorder)

    def _fill(self, model: ir.Model) -> None:
        _map_external_data(model)
        graph, network = model.graph, self._network
        tensors: dict[str, ITensor] = {}
        for value in graph.inputs:
            tensor = ITensor(value.name or "", facts=_facts(value))
            tensor._value_name = tensor.name
            tensors[tensor.name] = tensor
            network._add_input(tensor)
        for name, value in graph.initializers.items():
            constant = ITensor(name, facts=_facts(value))
            constant._value_name = name
            tensors[name] = constant
            assert value.const_value is not None
            network._constants[constant] = value.const_value
        for node in graph:
            self._add_node(node, tensors)
        if graph.name:
            network.name = graph.name
        for value in graph.outputs:
            network.mark_output(tensors[value.name or ""])

    def _add_node(self, node: ir.Node, tensors: dict[str, ITensor]) -> None:
        inputs = [None if v is None else tensors[v.name or ""] for v in node.inputs]
        listed = {v.name for v in node.inputs if v is not None}
        outer = [tensors[n] for n in sorted(_taken_from_outside(node)) if n in tensors and n not in listed]
        layer = OnnxLayer(ir.to_proto(node), inputs, outer, [_facts(v) for v in node.outputs])
        tensors.update((t.name, t) for t in layer._outputs)
        self._network._layers.append(layer)
        self._layers[layer.name] = layer


def _map_external_data(model: ir.Model) -> None:
    """Tensors in files beside the model become arrays over the mapped files, whose place no longer matters."""
    for graph in model.graphs():
        for name, value in graph.initializers.items():
            if isinstance(value.const_value, ir.ExternalTensor):
                value.const_value = ir.Tensor(value.const_value.numpy(), name=name)


def _facts(value: ir.Value) -> Facts:
    dims = None if value.shape is None else tuple(d if isinstance(d, int) else d.value for d in value.shape.dims)
    content = value.const_value
    known = content.numpy() if content is not None and content.size <= SMALL else None
    return Facts(int(value.dtype) if value.dtype is not None else 1, dims, known)


def _taken_from_outside(node: ir.Node) -> set[str]:
    """Names that the node's subgraphs use; those they define themselves are not the outer graph's, or do no harm."""
    return {v.name or "" for inner in _inner_nodes(node) for v in inner.inputs if v is not None} | {
        v.name or "" for attribute in node.attributes.values() for g in _graphs(attribute) for v in g.outputs
    }


def _inner_nodes(node: ir.Node) -> Iterable[ir.Node]:
    for attribute in node.attributes.values():
        for graph in _graphs(attribute):
            for inner in graph:
                yield inner
                yield from _inner_nodes(inner)


def _graphs(attribute: ir.Attr) -> list[ir.Graph]:
    if attribute.type == ir.AttributeType.GRAPH:
        return [attribute.as_graph()]
    return list(attribute.as_graphs()) if attribute.type == ir.AttributeType.GRAPHS else []


def _is_file(path: str, content: bytes) -> bool:
    """Whether `path` is the very file whose bytes were given (it may also be the folder, or a name to report)."""
    if not os.path.isfile(path) or os.path.getsize(path) != len(content):
        return False
    with open(path, "rb") as file:
        return file.read() == content


def get_nv_onnx_parser_version() -> int:
    """10.13.0, as TensorRT's parser would number it."""
    return 101300
