"""Give every value of a graph its dtype, its shape and, if it is small and known, its content.

One walk in execution order. A node's definition says dtype and shape; the content of small tensors comes from
evaluating that same definition (language/evaluate.py), so shape arithmetic (Shape, Gather, Concat ...) needs no
second rule. A node without definition asks ONNX's own shape inference (infer_reference.py).

    symbolic dimensions of inputs      keep their name; one without a name is called `<input>_<axis>`
    two dimensions that broadcast      equal, or one is 1, or the larger of both: exact for every model that is valid
    a dimension that only data decides a fresh symbol `<value>_<axis>`, listed in `from_data`
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from burnish.dims import Dim, symbol, symbols
from burnish.dtypes import DType
from burnish.errors import BurnishError, UserError
from burnish.ops.agreement import Claim, IndexClaim, agree, claims
from burnish.ops.inference.infer_control import CONTROL
from burnish.ops.inference.infer_reference import infer_reference
from burnish.ops.inference.refuse_node import failed, misfit, where
from burnish.ops.language.definition import Definition, Recurrent, Shape, Tensor, Trees
from burnish.ops.language.evaluate import known_elements
from burnish.ops.language.node_view import constant_of_node, tensor_of_constant, view_node
from burnish.ops.language.ordering import decided, sizes_within
from burnish.ops.registry import Misfit, Result, Undefined, define
from burnish.requirement import Requirement


@dataclass
class Inferred:
    """The inferred facts about a graph and its subgraphs.

    tensors      every value that is a tensor (a sequence or an optional has none)
    definitions  the definition of each output, in order, of every node that has one (see registry.define)
    undefined    every other node, with the reason; these run on the reference kernel (also If, Loop and Scan)
    from_data    the symbols that are known only during the run
    impossible   branches of an If that do not fit the shapes, with the reason; the other branch runs
    requirements the assumptions of a node about symbols, if it has any; indices: about indices that are data
    """

    tensors: dict[ir.Value, Tensor] = field(default_factory=dict)
    definitions: dict[ir.Node, tuple[Result, ...]] = field(default_factory=dict)
    undefined: dict[ir.Node, str] = field(default_factory=dict)
    from_data: set[str] = field(default_factory=set)
    impossible: dict[ir.Graph, str] = field(default_factory=dict)
    requirements: dict[ir.Node, tuple[Requirement, ...]] = field(default_factory=dict)
    indices: dict[ir.Node, tuple[IndexClaim, ...]] = field(default_factory=dict)


def infer(
    graph: ir.Graph | ir.Function,
    known: Mapping[ir.Value, Tensor] | None = None,
    sizes: Mapping[str, tuple[int, int]] | None = None,
) -> Inferred:
    """Walk the graph; `known` holds values whose tensor is already decided (inputs of a fixed shape, outer values).

    sizes:  (min, max) of symbols, from a profile; what is inferred holds inside it: x[-1:] has 1 row where min is 1

    raises: E201 for an input without element type or rank, E202 for an element type Burnish does not hold,
            E203 for a node whose inputs do not fit its operator
    """
    state = _Walk(Inferred(dict(known or {})), dict(graph.opset_imports))
    with sizes_within(sizes or {}):
        state.graph(graph)
    return state.found


def input_dim(value: ir.Value, axis: int) -> Dim:
    """A dimension of an input by its name, or called `<input>_<axis>`."""
    assert value.shape is not None
    d = value.shape[axis]
    if isinstance(d, int):
        return d if d >= 0 else symbol(f"{value.name}_{axis}")  # some exporters write -1 for "any"
    name = str(d.value or "")
    return symbol(name if any(map(str.isalpha, name)) else f"{value.name}_{axis}")  # "?" is no name


class _Walk:
    def __init__(self, found: Inferred, opsets: Mapping[str, int]) -> None:
        self.found, self.opsets = found, opsets
        self.used: set[str] = set()
        self.owners: dict[str, ir.Value] = {}
        self.tensors = found.tensors

    def body(self, graph: ir.Graph) -> bool:
        """Infer a side of an If or a body of a loop. Unknown inputs have no tensor."""
        self.graph(graph, is_body=True)
        return True

    def graph(self, graph: ir.Graph | ir.Function, is_body: bool = False) -> None:
        """Constants, inputs, then every node in order. Nodes of subgraphs see the tensors of the graphs around them."""
        if isinstance(graph, ir.Graph):
            for value in graph.initializers.values():
                self.constant(value)
        for value in graph.inputs:
            if value not in self.tensors and not (is_body and (value.type is None or value.shape is None)):
                self.input(value)
            self.used |= {name for d in self.shape_of(value) for name in symbols(d)}
        for node in graph:
            self.node(node)

    def branch(self, graph: ir.Graph) -> bool:
        """One side of an If. A side that the shapes make invalid is noted: exporters leave such dead sides behind."""
        try:
            return self.body(graph)
        except UserError as error:
            if error.code != "E203":
                raise
            self.found.impossible[graph] = f"{error.where}: {error.what}"
            for value in graph.outputs:
                self.tensors.pop(value, None)
            return False

    def shape_of(self, value: ir.Value) -> Shape:
        return self.tensors[value].shape if value in self.tensors else ()

    def constant(self, value: ir.Value) -> None:
        if value not in self.tensors and value.const_value is not None:
            try:
                self.tensors[value] = tensor_of_constant(value.name or "", value.const_value)
            except KeyError:
                raise unsupported(value, value.const_value.dtype) from None

    def input(self, value: ir.Value) -> None:
        """An input of the model; inputs that are no tensors (sequences, optionals) are left out."""
        if value.type is not None and not isinstance(value.type, ir.TensorType):
            return
        if value.type is None or value.shape is None:
            raise UserError(
                "E201",
                f"input '{value.name}' has no {'element type' if value.type is None else 'rank'}",
                where=f"input '{value.name}'",
                why="the memory of a plan is laid out from the ranks and types of its inputs",
                hint="state the shape of every input in the model (symbolic dimensions may stay)",
            )
        shape = tuple(input_dim(value, axis) for axis in range(len(value.shape)))
        self.tensors[value] = Tensor(value.name or "", _dtype(value), shape)

    def fresh(self, value: ir.Value, axis: int) -> Dim:
        """A symbol for a dimension that only data decides."""
        base = f"{value.name}_{axis}"
        names = itertools.chain([base], (f"{base}_{i}" for i in itertools.count(2)))
        name = next(n for n in names if n not in self.used)
        self.used.add(name)
        self.found.from_data.add(name)
        self.owners[name] = value
        return symbol(name)

    def node(self, node: ir.Node) -> None:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            self.found.definitions[node] = (None,)
            self.output(node.outputs[0], constant_of_node(node))
            return
        try:
            self.defined_or_not(node)
        except Misfit as reason:
            raise misfit(node, str(reason), self.tensors) from None
        except BurnishError:
            raise
        except Exception as error:  # definitions take a node as ONNX describes it: what else it is, shows by chance
            raise failed(node, error, self.tensors, self.opsets) from error

    def defined_or_not(self, node: ir.Node) -> None:
        try:
            self.defined(node)
        except Undefined as reason:
            self.found.undefined[node] = str(reason)
            self.undefined(node)

    def defined(self, node: ir.Node) -> None:
        missing = [v.name for v in node.inputs if v is not None and v not in self.tensors]
        if missing:
            raise Undefined(f"input {missing[0]} is not a tensor")
        view = view_node(node, self.tensors, self.opsets.get(node.domain, 0))
        with claims() as claimed:
            try:
                results = define(view)
                _claim_sizes(results)
            finally:  # the reference kernel has the same requirements
                self.require(node, claimed)
        self.found.definitions[node] = results
        self.found.indices[node] = tuple(
            replace(c, what=f"{node.op_type}, {c.what}", where=where(node, self.tensors))
            for c in claimed
            if isinstance(c, IndexClaim)
        )
        first = results[0]
        if isinstance(first, Recurrent):
            for value, spec in zip(node.outputs, first.outputs):
                if spec is not None:
                    self.output(value, Tensor(value.name or "", spec[1], spec[0]))
            return
        if isinstance(first, Trees):
            for value, output in zip(node.outputs, first.outputs):
                if output is not None:
                    self.output(value, Tensor(value.name or "", output.dtype, output.shape))
            return
        for value, result in zip(node.outputs, results):
            if result is not None and not isinstance(result, Recurrent | Trees):
                name = value.name or ""
                self.output(value, Tensor(name, result.dtype, result.shape, known_elements(result)))

    def require(self, node: ir.Node, claimed: list[Claim | IndexClaim]) -> None:
        if claimed:
            at = where(node, self.tensors)
            self.found.requirements[node] = tuple(
                Requirement(f"{node.op_type}, {c.what}", at, c.left, c.right, c.rule)
                for c in claimed
                if isinstance(c, Claim)
            )

    def output(self, value: ir.Value, tensor: Tensor) -> None:
        if value not in self.tensors:
            self.tensors[value] = decided(tensor)

    def control(self, node: ir.Node) -> list[Tensor | None]:
        """A loop's outputs cannot depend on symbols of its body. Such dims are opened again, with fresh symbols."""
        infer_node = CONTROL[node.op_type]
        if node.op_type == "If":
            outputs = infer_node(node, self.tensors, self.branch, self.fresh)
            sides = [node.attributes[name].as_graph() for name in ("then_branch", "else_branch")]
            misfits = [self.found.impossible[side] for side in sides if side in self.found.impossible]
            if len(misfits) == len(sides):
                raise misfit(node, f"neither branch fits ({'; '.join(misfits)})", self.tensors)
            return outputs
        before = set(self.found.from_data)
        outputs = infer_node(node, self.tensors, self.body, self.fresh)
        inside = {s for s in self.found.from_data - before if self.owners[s] not in node.outputs}
        self.found.from_data -= inside
        return [None if t is None else self.opened(v, t, inside) for v, t in zip(node.outputs, outputs)]

    def opened(self, value: ir.Value, tensor: Tensor, unknown: set[str]) -> Tensor:
        """The tensor with a fresh symbol for each dimension that depends on an unknown one."""
        shape = tuple(self.fresh(value, a) if symbols(d) & unknown else d for a, d in enumerate(tensor.shape))
        return Tensor(tensor.name, tensor.dtype, shape)

    def undefined(self, node: ir.Node) -> None:
        if node.op_type in CONTROL and node.domain in ("", "ai.onnx"):
            outputs = self.control(node)
        else:
            outputs = infer_reference(node, self.tensors, self.opsets, self.fresh)
        for value, tensor in zip(node.outputs, outputs):
            if tensor is not None:
                self.output(value, tensor)


def _dtype(value: ir.Value) -> DType:
    assert value.dtype is not None
    try:
        return DType.from_onnx(value.dtype.value)
    except KeyError:
        raise unsupported(value, value.dtype) from None


def unsupported(value: ir.Value, dtype: ir.DataType) -> UserError:
    return UserError(
        "E202",
        f"'{value.name}' has element type {dtype.name}",
        where=f"value '{value.name}'",
        why=f"Burnish knows {', '.join(t.value for t in DType)}",
        hint="cast the value to one of these types in the model",
    )


def _claim_sizes(results: tuple[Result, ...]) -> None:
    """That no axis has a negative size: x[n] in parts of 4 and n - 4 wants 4 elements at least."""
    for n, result in enumerate(results):
        if isinstance(result, Definition):
            for axis, extent in enumerate(result.shape):
                agree(0, extent, f"nothing and axis {axis} of output {n}", "at_most")
