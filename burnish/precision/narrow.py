"""Narrow an f32 graph to f16 or bf16 where that is safe, by Cast nodes and narrow constants.

    x f32 -> MatMul(x, w) -> Relu -> y f32    becomes    Cast(x) -> MatMul(_, w f16) -> Relu -> Cast -> y f32

Products always narrow. Followers narrow if all their operands are narrow already. The rest stays f32 (roles.py says
why). Inputs keep their type. The sides of an If narrow like the graph around it; its results are narrow if they are
narrow on both sides. Error: a rounding of each narrow tensor, u = 2^-11 (f16) or 2^-8 (bf16); sums are f32.
Runs after the fusing passes, whose patterns expect f32, and before `infer`: the graph then holds the precision.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir

from burnish.dtypes import DType
from burnish.ops.attention import DOMAIN, OF_CODES
from burnish.ops.branches import sides_agree, sides_of, subgraphs
from burnish.ops.inference.infer import Inferred
from burnish.passes.rewrite.constants import constant_array, is_constant, new_initializer
from burnish.precision.casts import Casts, cast
from burnish.precision.constants import lifting, misfit, narrowed
from burnish.precision.precision import ASKED, Decision, Precision
from burnish.precision.roles import FOLLOWERS, KEEPS_INPUTS, PRODUCTS, SELECTS, is_packed, multiplies_pairs, reason_kept

FLOAT = ir.DataType.FLOAT
LIFTED = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose"})


def narrow(graph: ir.Graph, found: Inferred, precision: Precision, bf16_codes: bool = False) -> list[Decision]:
    """Rewrite the graph in place. Nodes on the reference kernel do not change.

    found:    the result of `infer` for it
    bf16_codes: bf16 data times codes of few bits are faster than f32 data
    returns:  a decision for each node that computes on f32 values, in order, a side of an If before the If
    """
    work = _Narrowing(graph, found, precision, bf16_codes)
    decisions = [] if precision.values is DType.F32 else work.nodes(graph)
    for position in range(len(graph.outputs)):
        work.output(position)
    return decisions


class _Narrowing:
    """The graph while it is being rewritten. `narrow`: the values that have become narrow."""

    def __init__(self, graph: ir.Graph, found: Inferred, precision: Precision, bf16_codes: bool) -> None:
        self.graph, self.found, self.precision = graph, found, precision
        self.to = ir.DataType(precision.values.onnx)
        self.bf16_codes = bf16_codes and precision.values is DType.BF16
        self.kept = precision.kept_wide(graph)
        self.version = int(graph.opset_imports.get("", graph.opset_imports.get("ai.onnx", 0)))
        self.wide = {v for v, t in found.tensors.items() if t.dtype is DType.F32}
        self.narrow: set[ir.Value] = set()
        self._casts = Casts(graph)
        self._lifts: dict[ir.Value | None, int] = {}
        self._constants: dict[tuple[ir.Value, int], ir.Value] = {}

    def nodes(self, graph: ir.Graph) -> list[Decision]:
        """Narrow a graph's nodes, one after another."""
        decisions: list[Decision] = []
        for node in list(graph):
            if node.op_type == "If" and not node.domain and sides_agree(node, self.found):
                decisions += self.branches(node)
            elif (decision := self.node(node)) is not None:
                decisions.append(decision)
        return decisions

    def branches(self, node: ir.Node) -> list[Decision]:
        """Narrow both sides of an If that runs natively, then make them agree."""
        decisions: list[Decision] = []
        for side in sides_of(node):
            with self._casts.inside(side):
                if side not in self.found.impossible:
                    decisions += self.nodes(side)
                    continue
                for inner in list(side):
                    self._keep(inner)
        results = [(n, v) for n, v in enumerate(node.outputs) if v in self.wide]
        refusals = [self._result(node, position) for position, _ in results]
        if not results:
            return decisions
        why = "; ".join(filter(None, refusals))
        now = "f32" if all(refusals) else self.precision.values.value
        return [*decisions, Decision(node.name or "", "If", "f32", now, why or "each side ends in narrow values")]

    def _result(self, node: ir.Node, position: int) -> str:
        """The common type of both sides' results: narrow if neither needs a cast; otherwise the reason for f32."""
        possible = [side.outputs[position] for side in sides_of(node) if side not in self.found.impossible]
        why = next((f"{v.name}, which a side gives, is f32" for v in possible if v not in self.narrow), "")
        wanted = FLOAT if why else self.to
        for side in sides_of(node):
            value = side.outputs[position]
            if (self.to if value in self.narrow else FLOAT) != wanted:
                with self._casts.inside(side):
                    side.outputs[position] = self._casts.at_end(value, wanted)
        if not why:
            self.narrow.add(node.outputs[position])
            node.outputs[position].type = ir.TensorType(self.to)
        return why

    def node(self, node: ir.Node) -> Decision | None:
        """Narrow one node, or make sure that it gets f32. None if it does not compute on f32."""
        if (node.op_type, node.domain) == (OF_CODES, DOMAIN):
            return self._attention(node)
        inputs = [v for v in node.inputs if v is not None and v in self.wide]
        results = [v for v in node.outputs if v in self.wide]
        if not inputs and not results:
            self._widen_captured(node)
            return None
        why = self._refusal(node)
        if _scales_float8(node):
            why = "scales a sum of float8 products"
            self._keep(node)
            self._round(node)
        elif why:
            self._keep(node)
        else:
            self._narrow(node)
        now = "f32" if why else self.precision.values.value
        return Decision(node.name or "", node.op_type, "f32", now, why or _reason(node))

    def _attention(self, node: ir.Node) -> Decision:
        """An attention of codes: its softmax is narrow where it is no codes, and its result likewise."""
        self._keep(node)
        why = ASKED if node in self.kept else ""
        if not why:
            node.attributes["to"] = ir.AttrInt64("to", int(self.to))
            if (result := node.outputs[0]) in self.wide:
                self.narrow.add(result)
                result.type = ir.TensorType(self.to)
        now = "f32" if why else self.precision.values.value
        told = why or "its products are of codes; a softmax or result that is no codes is narrow"
        return Decision(node.name or "", node.op_type, "f32", now, told)

    def output(self, position: int) -> None:
        """Give an f32 output of the model its type back, or the requested type. Its name stays."""
        value = self.graph.outputs[position]
        wanted = ir.DataType(self.precision.outputs.onnx)
        has = self.to if value in self.narrow else FLOAT
        if value not in self.wide or has == wanted:
            return
        name = str(value.name)
        if not value.is_graph_input() and value.const_value is None:
            value.name = f"{name}/{'narrow' if value in self.narrow else 'wide'}"
        node = cast(value, wanted, name)
        self.graph.append(node)
        self.graph.outputs[position] = node.outputs[0]

    # -- decisions --------------------------------------------------------------------------------------------------

    def _refusal(self, node: ir.Node) -> str:
        """The reason why the node stays f32; empty if it narrows."""
        if node in self.kept:
            return ASKED
        divides = node.op_type == "Div" and is_constant(node.inputs[1])
        is_known = node.domain in ("", "ai.onnx") or is_packed(node)
        if not is_known or not (node.op_type in PRODUCTS | FOLLOWERS or divides):
            return reason_kept(node.op_type, node.domain)
        if is_packed(node) and not (self.bf16_codes and multiplies_pairs(node)):
            return reason_kept(node.op_type, node.domain)
        if node in self.found.undefined:
            return f"runs on the reference kernel: {self.found.undefined[node]}"
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
        if is_packed(node):
            return True
        schema = onnx.defs.get_schema(node.op_type, self.version)
        name = f"tensor({'float16' if self.precision.values is DType.F16 else 'bfloat16'})"
        allowed = {c.type_param_str: c.allowed_type_strs for c in schema.type_constraints}
        return all(name in allowed.get(self._variable(node, i), ()) for i in self._narrowed_inputs(node))

    def _variable(self, node: ir.Node, position: int) -> str:
        """The type variable of an input, T or T1. A variadic input's variable applies to all inputs after it."""
        if is_packed(node):
            return "T1"
        formal = onnx.defs.get_schema(node.op_type, self.version).inputs
        return str(formal[min(position, len(formal) - 1)].type_str)

    def _narrowed_inputs(self, node: ir.Node) -> list[int]:
        kept = KEEPS_INPUTS.get(node.op_type, ())
        return [i for i, v in enumerate(node.inputs) if v is not None and v in self.wide and i not in kept]

    # -- rewriting --------------------------------------------------------------------------------------------------

    def _lift(self, node: ir.Node) -> int:
        """The power of two that keeps a product's tiny weights (and its bias) from rounding to 0."""
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
        """Multiply the result of a product by 2^-lift. This is exact, and part of its epilogue."""
        result = node.outputs[0]
        factor = new_initializer(self.graph, np.array(2.0**-lift, self.precision.values.numpy), f"{result.name}/lift")
        scale = ir.node("Mul", [result, factor], name=f"{node.name}/lift")
        lowered = scale.outputs[0]
        lowered.name, lowered.type, lowered.shape = result.name, result.type, result.shape
        result.name = f"{result.name}/lifted"
        result.replace_all_uses_with(lowered, replace_graph_outputs=True)
        scale.replace_input_with(0, result)
        assert node.graph is not None
        node.graph.insert_after(node, scale)
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
                node.replace_input_with(i, self._casts.before(node, value, FLOAT))
        formal = [] if is_packed(node) else onnx.defs.get_schema(node.op_type, self.version).outputs
        for i, value in enumerate(node.outputs):
            if value in self.wide and (not formal or formal[min(i, len(formal) - 1)].type_str in variables):
                self.narrow.add(value)
                value.type = ir.TensorType(self.to)
        if lift:
            self._lower(node, lift)

    def _round(self, node: ir.Node) -> None:
        """Make the scaled sum of float8 products narrow, in its epilogue; not what becomes codes again."""
        wide, users = node.outputs[0], [use.node for use in node.outputs[0].uses()]
        goes_on = [_scales_float8(user) or user.op_type == "QuantizeLinear" for user in users]
        if node in self.kept or any(goes_on) or not users or wide.is_graph_output():
            return
        short = cast(wide, self.to, f"{wide.name}/{self.precision.values.value}")
        wide.replace_all_uses_with(short.outputs[0])
        short.replace_input_with(0, wide)
        assert node.graph is not None
        node.graph.insert_after(node, short)
        self.wide.add(short.outputs[0])
        self.narrow.add(short.outputs[0])

    def _keep(self, node: ir.Node) -> None:
        for i, value in enumerate(node.inputs):
            if value is not None and value in self.narrow:
                node.replace_input_with(i, self._casts.before(node, value, FLOAT))
        self._widen_captured(node)

    def _widen_captured(self, node: ir.Node) -> None:
        """Give subgraphs, which do not change, f32 values to read from this graph."""
        for graph in subgraphs(node):
            for inner in graph.all_nodes():
                for i, value in enumerate(inner.inputs):
                    if value is not None and value in self.narrow:
                        inner.replace_input_with(i, self._casts.before(node, value, FLOAT))
            for i, value in enumerate(graph.outputs):
                if value in self.narrow:
                    graph.outputs[i] = self._casts.before(node, value, FLOAT)

    def _narrowed(self, value: ir.Value, user: ir.Node, lift: int = 0) -> ir.Value:
        if value in self.narrow:
            return value
        if not is_constant(value):
            return self._casts.before(user, value, self.to)
        if (value, lift) not in self._constants:
            array = constant_array(value)
            assert array is not None
            name = f"{value.name}/{self.precision.values.value}"
            short = narrowed(np.ldexp(array, lift) if lift else array, self.precision.values)
            self._constants[value, lift] = new_initializer(self.graph, short, name)
        return self._constants[value, lift]


def _scales_float8(node: ir.Node) -> bool:
    """Is it the scale, or the shift, by a constant after a sum of float8 products?"""
    computed = [v for v in node.inputs if v is not None and not is_constant(v)]
    before = computed[0].producer() if len(computed) == 1 and len(node.inputs) == 2 else None
    if before is None or node.domain:
        return False
    if node.op_type == "Mul":
        data = before.inputs[0] if before.op_type in ("MatMul", "Conv") else None
        return data is not None and data.dtype == ir.DataType.FLOAT8E4M3FN
    return node.op_type == "Add" and before.op_type == "Mul" and _scales_float8(before)


def _reason(node: ir.Node) -> str:
    if is_packed(node):
        return "weights are kept in fewer bits and their codes are exact; data and result are narrow, sums are f32"
    if node.op_type in PRODUCTS:
        return "sums are f32 inside; operands and result are narrow"
    return "computes in f32 registers on narrow tensors"
