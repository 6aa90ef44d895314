"""Narrow an f32 graph to f16 or bf16, by Cast nodes and narrow constants, where that is safe.

    x f32 -> MatMul(x, w) -> Relu -> y f32    becomes    Cast(x) -> MatMul(_, w f16) -> Relu -> Cast -> y f32

Products always narrow; followers where everything they compute on is narrow already; the rest stays f32 (roles.py says
why). Inputs keep their type. Error: a rounding of each narrow tensor, u = 2^-11 (f16) or 2^-8 (bf16); sums are f32.
After the fusing passes, whose patterns are those of the f32 graph, and before `infer`: precision is then in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir

from burnish.dtypes import DType
from burnish.ops.definition import Tensor
from burnish.passes.constants import constant_array, is_constant, new_initializer
from burnish.precision.constants import lifting, misfit, narrowed
from burnish.precision.precision import Decision, Precision
from burnish.precision.roles import FOLLOWERS, KEEPS_INPUTS, PRODUCTS, SELECTS, reason_kept

FLOAT = ir.DataType.FLOAT
LIFTED = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose"})


def narrow(
    graph: ir.Graph, tensors: Mapping[ir.Value, Tensor], precision: Precision, undefined: Mapping[ir.Node, str]
) -> list[Decision]:
    """Rewrite the graph in place.

    tensors:   what `infer` found for each value; undefined: nodes on the reference kernel, which stay as they are
    returns:   a decision for each node that computes on f32 values, in order
    """
    work = _Narrowing(graph, tensors, precision, undefined)
    decisions = []
    if precision.values is not DType.F32:
        decisions = [d for node in list(graph) if (d := work.node(node)) is not None]
    for position in range(len(graph.outputs)):
        work.output(position)
    return decisions


class _Narrowing:
    """The graph while it is being rewritten. `narrow`: the values that have become narrow."""

    def __init__(
        self,
        graph: ir.Graph,
        tensors: Mapping[ir.Value, Tensor],
        precision: Precision,
        undefined: Mapping[ir.Node, str],
    ) -> None:
        self.graph, self.undefined, self.precision = graph, undefined, precision
        self.to = ir.DataType(precision.values.onnx)
        self.version = int(graph.opset_imports.get("", graph.opset_imports.get("ai.onnx", 0)))
        self.wide = {v for v, t in tensors.items() if t.dtype is DType.F32}
        self.narrow: set[ir.Value] = set()
        self._cast: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
        self._lifts: dict[ir.Value | None, int] = {}
        self._constants: dict[tuple[ir.Value, int], ir.Value] = {}

    def node(self, node: ir.Node) -> Decision | None:
        """Narrow one node, or see to it that it gets f32; None if it has nothing to do with f32."""
        inputs = [v for v in node.inputs if v is not None and v in self.wide]
        results = [v for v in node.outputs if v in self.wide]
        if not inputs and not results:
            self._widen_captured(node)
            return None
        why = self._refusal(node)
        if why:
            self._keep(node)
        else:
            self._narrow(node)
        now = "f32" if why else self.precision.values.value
        return Decision(node.name or "", node.op_type, "f32", now, why or _reason(node))

    def output(self, position: int) -> None:
        """Give an f32 output of the model its type back, or the one that was asked for; its name stays."""
        value = self.graph.outputs[position]
        wanted = ir.DataType(self.precision.outputs.onnx)
        has = self.to if value in self.narrow else FLOAT
        if value not in self.wide or has == wanted:
            return
        name = str(value.name)
        if not value.is_graph_input() and value.const_value is None:
            value.name = f"{name}/{'narrow' if value in self.narrow else 'wide'}"
        node = _cast(value, wanted, name)
        self.graph.append(node)
        self.graph.outputs[position] = node.outputs[0]

    # -- decisions --------------------------------------------------------------------------------------------------

    def _refusal(self, node: ir.Node) -> str:
        """Why the node stays f32; empty if it narrows."""
        divides = node.op_type == "Div" and is_constant(node.inputs[1])
        if node.domain not in ("", "ai.onnx") or not (node.op_type in PRODUCTS | FOLLOWERS or divides):
            return reason_kept(node.op_type, node.domain)
        if node in self.undefined:
            return f"runs on the reference kernel: {self.undefined[node]}"
        if not self._is_allowed(node):
            return f"ONNX does not define it for {self.precision.values.value}"
        data = [node.inputs[i] for i in self._narrowed_inputs(node)]
        constants = [v for v in data if is_constant(v)]
        computed = [v for v in data if not is_constant(v)]
        lift = self._lift(node)
        for value in constants:
            array = constant_array(value)
            assert value is not None and array is not None
            array = np.ldexp(array, lift) if lift else array
            if why := misfit(array, self.precision.values, node.op_type in SELECTS, node.op_type in ("Add", "Sub")):
                return f"constant {value.name} {why}"
        if node.op_type in PRODUCTS:
            return ""
        wide = [str(v.name) for v in computed if v is not None and v not in self.narrow]
        if wide:
            return f"{wide[0]}, which it reads, is f32"
        return "" if computed or node.op_type == "Gather" else "reads no narrow value"

    def _is_allowed(self, node: ir.Node) -> bool:
        """Does ONNX define the operator for the narrow type, in every input and output that changes?"""
        schema = onnx.defs.get_schema(node.op_type, self.version)
        name = f"tensor({'float16' if self.precision.values is DType.F16 else 'bfloat16'})"
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        return all(name in allowed.get(self._variable(node, i), ()) for i in self._narrowed_inputs(node))

    def _variable(self, node: ir.Node, position: int) -> str:
        """The type variable of an input, T or T1 (a variadic input's for all that follow it)."""
        formal = onnx.defs.get_schema(node.op_type, self.version).inputs
        return str(formal[min(position, len(formal) - 1)].type_str)

    def _narrowed_inputs(self, node: ir.Node) -> list[int]:
        kept = KEEPS_INPUTS.get(node.op_type, ())
        return [i for i, v in enumerate(node.inputs) if v is not None and v in self.wide and i not in kept]

    # -- rewriting --------------------------------------------------------------------------------------------------

    def _lift(self, node: ir.Node) -> int:
        """The power of two that keeps a product's tiny weights (and its bias with them) from vanishing."""
        if node.op_type not in LIFTED or not is_constant(node.inputs[1]):
            return 0
        if any(v is not None and not is_constant(v) for v in node.inputs[2:]):
            return 0
        weight = node.inputs[1]
        if weight not in self._lifts:
            array = constant_array(weight)
            assert weight is not None and array is not None
            self._lifts[weight] = lifting(array, self.precision.values)
        return self._lifts[weight]

    def _lower(self, node: ir.Node, lift: int) -> None:
        """Multiply the result of a product by 2^-lift: exact, and part of its epilogue."""
        result = node.outputs[0]
        factor = new_initializer(self.graph, np.array(2.0**-lift, self.precision.values.numpy), f"{result.name}/lift")
        scale = ir.node("Mul", [result, factor], name=f"{node.name}/lift")
        lowered = scale.outputs[0]
        lowered.name, lowered.type, lowered.shape = result.name, result.type, result.shape
        result.name = f"{result.name}/lifted"
        result.replace_all_uses_with(lowered, replace_graph_outputs=True)
        scale.replace_input_with(0, result)
        self.graph.insert_after(node, scale)
        self.wide.add(lowered)
        self.narrow.add(lowered)

    def _narrow(self, node: ir.Node) -> None:
        changed, lift = self._narrowed_inputs(node), self._lift(node)
        variables = {self._variable(node, i) for i in changed}
        for i, value in enumerate(node.inputs):
            if i in changed:
                assert value is not None
                node.replace_input_with(i, self._narrowed(value, node, lift))
            elif value in self.narrow:
                node.replace_input_with(i, self._casted(value, FLOAT, node))
        formal = onnx.defs.get_schema(node.op_type, self.version).outputs
        for i, value in enumerate(node.outputs):
            if value in self.wide and formal[min(i, len(formal) - 1)].type_str in variables:
                self.narrow.add(value)
                value.type = ir.TensorType(self.to)
        if lift:
            self._lower(node, lift)

    def _keep(self, node: ir.Node) -> None:
        for i, value in enumerate(node.inputs):
            if value is not None and value in self.narrow:
                node.replace_input_with(i, self._casted(value, FLOAT, node))
        self._widen_captured(node)

    def _widen_captured(self, node: ir.Node) -> None:
        """Subgraphs stay as they are: what they read from here is f32."""
        for attribute in node.attributes.values():
            for graph in _graphs(attribute):
                for inner in graph.all_nodes():
                    for i, value in enumerate(inner.inputs):
                        if value is not None and value in self.narrow:
                            inner.replace_input_with(i, self._casted(value, FLOAT, node))
                for i, value in enumerate(graph.outputs):
                    if value in self.narrow:
                        graph.outputs[i] = self._casted(value, FLOAT, node)

    def _narrowed(self, value: ir.Value, user: ir.Node, lift: int = 0) -> ir.Value:
        if value in self.narrow:
            return value
        if not is_constant(value):
            return self._casted(value, self.to, user)
        if (value, lift) not in self._constants:
            array = constant_array(value)
            assert array is not None
            name = f"{value.name}/{self.precision.values.value}"
            short = narrowed(np.ldexp(array, lift) if lift else array, self.precision.values)
            self._constants[value, lift] = new_initializer(self.graph, short, name)
        return self._constants[value, lift]

    def _casted(self, value: ir.Value, to: ir.DataType, user: ir.Node) -> ir.Value:
        """The value in another type; one Cast for all that read it."""
        found = self._cast.get((value, to))
        if found is None:
            node = _cast(value, to, f"{value.name}/{'f32' if to == FLOAT else self.precision.values.value}")
            self.graph.insert_before(user, node)
            found = self._cast[value, to] = node.outputs[0]
        return found


def _reason(node: ir.Node) -> str:
    if node.op_type in PRODUCTS:
        return "sums are f32 inside; operands and result are narrow"
    return "computes in f32 registers on narrow tensors"


def _cast(value: ir.Value, to: ir.DataType, name: str) -> ir.Node:
    node = ir.node("Cast", [value], attributes={"to": int(to)}, name=name)
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = name, ir.TensorType(to), value.shape
    return node


def _graphs(attribute: ir.Attr) -> list[ir.Graph]:
    if attribute.type == ir.AttributeType.GRAPH:
        return [attribute.as_graph()]
    return list(attribute.as_graphs()) if attribute.type == ir.AttributeType.GRAPHS else []
