"""Attention in float8, as ModelOpt and TensorRT write it: Q and DQ on q, k, v and on the softmax.

    softmax(c * q @ k.T + mask) @ v    ->    DQ(Q(softmax(c * DQ(Q(q)) @ DQ(Q(k)).T + mask))) @ DQ(Q(v))

A softmax lies between 0 and 1 whatever the data, so its scale is 1 / 448. In int8 attention stays as it is: a softmax
over many keys is far below one of 255 steps. Looks at graphs in which attention is spelled out (pipeline.SPELLED_OUT).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.fuse_attention import Found, FuseAttention
from burnish.passes.rewrite.rule import Skip
from burnish.precision.codes import codes_of
from burnish.precision.precision import ASKED, Decision
from burnish.precision.ranges import Range, Ranges
from burnish.precision.words import FP8

SOFTMAX = Range(0.0, 1.0)


@dataclass(frozen=True)
class AttentionPoint:
    """scores, weighted: its two MatMuls; nodes: all between q, k, v and the result."""

    scores: ir.Node
    weighted: ir.Node
    softmax: ir.Value
    q: ir.Value
    k: ir.Value
    v: ir.Value
    nodes: frozenset[ir.Node]

    @property
    def data(self) -> tuple[ir.Value, ir.Value, ir.Value]:
        return self.q, self.k, self.v


def find_attention(graph: ir.Graph) -> tuple[AttentionPoint, ...]:
    """The attentions of a graph, in order. Those of a subgraph stay as they are: calibration does not see them."""
    rule, found = FuseAttention(), list[AttentionPoint]()
    for node in graph:
        match = rule.find(node) if node.op_type == "Softmax" and not node.domain else Skip("no softmax")
        if isinstance(match, Skip):
            continue
        plan: Found = match.found
        inner = [n for n in match.nodes if n.op_type == "MatMul" and n is not match.root]
        q, k, v = plan.scores.q, plan.key, plan.value
        if len(inner) == 1 and all(value.dtype == ir.DataType.FLOAT for value in (q, k, v)):
            found.append(AttentionPoint(inner[0], match.root, node.outputs[0], q, k, v, frozenset(match.nodes)))
    return tuple(found)


def float8_attention(
    points: Collection[AttentionPoint],
    ranges: Ranges,
    stay: Collection[ir.Node],
    kinds: Mapping[ir.Node, str],
    codes: str,
) -> Iterator[tuple[AttentionPoint, tuple[Range, ...], tuple[Decision, ...]]]:
    """Each attention with the ranges of q, k and v, empty if it stays as it is, and what to say of its products."""
    for point in points:
        both = (point.scores, point.weighted)
        if any(kinds.get(node, codes) != FP8 for node in both):
            continue
        found = [ranges.tensors.get(str(value.name)) for value in point.data]
        missing = next((str(value.name) for value, own in zip(point.data, found) if own is None), "")
        if missing or any(node in stay for node in both):
            why = f"the ranges know no tensor '{missing}'" if missing else ASKED
            yield point, (), tuple(Decision(str(n.name), n.op_type, "f32", "f32", why) for n in both)
            continue
        q, k, v = (own for own in found if own is not None)
        words = [f"{value.name} is {codes_of(own, FP8).words}" for value, own in zip(point.data, (q, k, v))]
        scores = Decision(str(both[0].name), "MatMul", "f32", FP8, f"attention: {words[0]}, {words[1]}")
        softmax = f"attention: its softmax is {codes_of(SOFTMAX, FP8).words}, {words[2]}"
        yield point, (q, k, v), (scores, Decision(str(both[1].name), "MatMul", "f32", FP8, softmax))
