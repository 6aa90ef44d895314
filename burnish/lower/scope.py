"""A graph in the form that lowering uses: for each tensor that the outputs need, how it is computed.

A Compute, a View and a reshape that only splits axes all become a `Body`: one expression over fresh axes, whose loads
name tensors. So a transpose is a load at permuted axes, and fusing is substitution.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import onnx_ir as ir

from burnish.dims import Dim, symbol_name, symbols
from burnish.dtypes import DType
from burnish.errors import BurnishError
from burnish.lower.placement import splitting_index
from burnish.ops.agreement import IndexClaim
from burnish.ops.branches import captured, subgraphs
from burnish.ops.inference.infer import Inferred
from burnish.ops.inference.refuse_node import failed
from burnish.ops.language.definition import (
    Attention,
    Compute,
    Concat,
    Conv,
    Definition,
    MatMul,
    Recurrent,
    Reshape,
    Tensor,
    Trees,
    View,
)
from burnish.ops.language.expr import Axis, Expr, axis, fresh_axis, walk


@dataclass(frozen=True, eq=False, slots=True)
class Body:
    """out[axes] = expr. `is_view`: the expression is a single load."""

    axes: tuple[Axis, ...]
    expr: Expr
    is_view: bool


@dataclass(frozen=True, eq=False, slots=True)
class StepForm:
    """A node that is one step with several outputs: a recurrent layer, an If, or an operator without definition.

    `inputs` are the tensors it reads, including outer ones that its subgraphs capture (for an If: the condition first).
    """

    node: ir.Node
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor | None, ...]
    recurrent: Recurrent | None = None


Form = Body | Reshape | Concat | MatMul | Conv | Attention | Trees | StepForm


@dataclass(eq=False)
class Scope:
    """One graph or subgraph. Tensors that have no form here are constants, inputs, or belong to an outer scope."""

    order: list[Tensor] = field(default_factory=list)  # the tensors that the outputs need, in execution order
    forms: dict[Tensor, Form] = field(default_factory=dict)
    nodes: dict[Tensor, ir.Node] = field(default_factory=dict)
    outputs: list[Tensor] = field(default_factory=list)
    checks: dict[Tensor, IndexClaim] = field(default_factory=dict)  # outputs too: traces of indices out of range

    def node_name(self, tensor: Tensor) -> str:
        node = self.nodes.get(tensor)
        return (node.name or tensor.name) if node is not None else tensor.name


def build_scope(graph: ir.Graph, inferred: Inferred, has_trees: bool = True, has_float8: bool = False) -> Scope:
    """Find the forms of all values, then keep only those that the outputs need.

    has_trees, has_float8: as `Abilities` says
    """
    scope = Scope(outputs=[inferred.tensors[v] for v in graph.outputs])
    for node in graph:
        try:
            pairs = _forms(node, inferred, has_trees, has_float8)
        except BurnishError:
            raise
        except Exception as error:  # a definition's body takes a node as ONNX describes it
            raise failed(node, error, inferred.tensors, dict(graph.opset_imports)) from error
        for tensor, form in pairs:
            if not is_constant(tensor):
                scope.forms[tensor] = form
                scope.nodes[tensor] = node
    scope.order = list(_reachable(scope, inferred))
    return scope


def _forms(node: ir.Node, inferred: Inferred, has_trees: bool, has_float8: bool) -> list[tuple[Tensor, Form]]:
    """The form of each output of the node."""
    outputs = [inferred.tensors.get(v) for v in node.outputs]
    results = inferred.definitions.get(node)
    tensors = [*outputs, *(inferred.tensors.get(v) for v in node.inputs if v is not None)]
    if not has_float8 and any(t is not None and t.dtype is DType.F8E4M3 for t in tensors):
        results = None
    first = results[0] if results else None
    if isinstance(first, Trees) and has_trees:
        pairs: list[tuple[Tensor, Form]] = [(first.sums, first)]
        return pairs + [(t, _form(t, r)) for t, r in zip(outputs, first.outputs) if t is not None and r is not None]
    if results is None or isinstance(first, Recurrent | Trees):
        recurrent = None if isinstance(first, Trees) else first
        assert recurrent is None or isinstance(recurrent, Recurrent)
        step = StepForm(node, tuple(_step_inputs(node, inferred)), tuple(outputs), recurrent)
        return [(t, step) for t in outputs if t is not None]
    defined = [(t, r) for t, r in zip(outputs, results) if t is not None and r is not None]
    return [(t, _form(t, r)) for t, r in defined if not isinstance(r, Recurrent | Trees)]


def is_constant(tensor: Tensor) -> bool:
    """Is its content known now, in numbers? (A tensor [n, 0] is known to be empty, but its size is not known.)"""
    return tensor.array is not None or (
        tensor.elements is not None
        and all(isinstance(e, int | float | bool) for e in tensor.elements)
        and all(isinstance(d, int) for d in tensor.shape)
    )


def sources(form: Form) -> list[Tensor]:
    """The tensors a form reads, each once."""
    found: Iterable[Tensor | None]
    if isinstance(form, Body):
        found = [e.attr for e in walk(form.expr) if e.op == "load"]
    elif isinstance(form, Reshape):
        found = [form.source]
    elif isinstance(form, Concat):
        found = form.parts
    elif isinstance(form, MatMul):
        found = [form.a, None if form.blocks else form.b, form.bias, form.a_zero, form.b_zero]
    elif isinstance(form, Conv):
        found = [form.x, form.weight, form.bias, form.x_zero, form.weight_zero]
    elif isinstance(form, Trees):
        found = [form.x]
    elif isinstance(form, Attention):
        found = [form.q, form.k, form.v, form.mask]
    else:
        found = form.inputs
    return list(dict.fromkeys(t for t in found if t is not None))


def placed_sources(form: Form) -> list[Tensor]:
    """The sources that must be in memory: all of them, unless the form is an expression over them."""
    return [] if isinstance(form, Body) else sources(form)


def _form(tensor: Tensor, result: Definition) -> Form:
    """The definition with the tensor's own shape. A profile may have fixed more dimensions of that shape."""
    if isinstance(result, Reshape):
        where = splitting_index(result.source.shape, tensor.shape)
        result = replace(result, shape=tensor.shape) if where is None else View(result.source, tensor.shape, where)
    if isinstance(result, Compute | View):
        axes = tuple(fresh_axis(n, "a") for n in tensor.shape)
        index = [axis(a) for a in axes]
        if isinstance(result, View):
            return Body(axes, result.source[list(result.where(index))], True)
        return Body(axes, result.body(index), False)
    return result if isinstance(result, Reshape) else replace(result, shape=tensor.shape)


def _step_inputs(node: ir.Node, inferred: Inferred) -> Iterator[Tensor | None]:
    for value in node.inputs:
        yield None if value is None else inferred.tensors.get(value)
    for value in captured(node):
        yield inferred.tensors.get(value)


def _reachable(scope: Scope, inferred: Inferred) -> Iterator[Tensor]:
    """The values that the outputs need, in execution order. These include values that tell the sizes used."""
    revealing = {
        name: tensor
        for tensor, form in reversed(scope.forms.items())
        if isinstance(form, StepForm)
        for name in map(symbol_name, tensor.shape)
        if name in inferred.from_data
    }
    needed: set[Tensor] = set()
    stack = list(scope.outputs)
    while stack:
        tensor = stack.pop()
        if tensor in needed:
            continue
        needed.add(tensor)
        form = scope.forms.get(tensor)
        if revealing:
            names = _symbols_of(tensor, form, inferred)
            names.update(*(r.symbols for r in inferred.requirements.get(scope.nodes[tensor], ())) if form else ())
            stack.extend(revealing[name] for name in names if name in revealing)
        if form is None:
            continue
        stack.extend(sources(form))
        if isinstance(form, StepForm):
            stack.extend(t for t in form.outputs if t is not None)
    return (t for t in scope.forms if t in needed)


def _symbols_of(tensor: Tensor, form: Form | None, inferred: Inferred) -> set[str]:
    """The symbols in a tensor's shape and in what computes it."""
    dims: list[Dim] = list(tensor.shape)
    if isinstance(form, Body):
        nodes = walk(form.expr)
        dims += [e.attr for e in nodes if e.op == "dim"]
        dims += [a.extent for e in nodes if e.op == "reduce" for a in e.attr[1]]
    elif isinstance(form, StepForm):
        inner = [n for graph in subgraphs(form.node) for n in graph.all_nodes()]
        dims += [d for n in inner for v in n.outputs if v in inferred.tensors for d in inferred.tensors[v].shape]
    return {name for d in dims for name in symbols(d)}
