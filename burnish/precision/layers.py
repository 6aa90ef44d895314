"""Which nodes compute in which precision, where a user says so for some: by name, by operator, or by region.

A node is known by its own name and by the names of the model's nodes that it replaced. Of several rules that fit a
node, the last one holds; a node that none fits has the precision of the build.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.rewrite.rule import sources

WORDS = ("fp32", "fp16", "bf16", "int8", "int8+fp16", "int8+bf16", "fp8", "fp8+fp16", "fp8+bf16")
ANY = "*"  # of a pattern: any text; "?" is any one character


@dataclass(frozen=True, slots=True)
class LayerRule:
    """Every condition that is given must hold; a rule without any fits each node.

    precision: one of WORDS
    nodes:     patterns of names; one of them must match
    operators: types, such as Conv
    region:    two patterns: what lies on a path from a node of the first to one of the second, both included
    """

    precision: str
    nodes: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    region: tuple[str, ...] = ()

    @property
    def words(self) -> dict[str, object]:
        """The rule as a plan's options keep it, and as a configuration writes it."""
        given = {"nodes": self.nodes, "operators": self.operators, "region": self.region}
        return {"precision": self.precision, **{name: list(texts) for name, texts in given.items() if texts}}


def precision_of_nodes(graph: ir.Graph, rules: Sequence[LayerRule]) -> dict[ir.Node, str]:
    """The precision of each node that a rule fits, in subgraphs too."""
    found: dict[ir.Node, str] = {}
    for rule in rules:
        found |= dict.fromkeys(matching(graph, rule), rule.precision)
    return found


def matching(graph: ir.Graph, rule: LayerRule) -> list[ir.Node]:
    """The nodes that a rule fits."""
    inside = _region(graph, rule.region) if rule.region else None
    return [
        node
        for node in graph.all_nodes()
        if (not rule.nodes or _is_named(node, rule))
        and (not rule.operators or node.op_type in rule.operators)
        and (inside is None or node in inside)
    ]


def unmatched_notes(graph: ir.Graph, rules: Iterable[LayerRule]) -> Iterator[str]:
    """A line for each rule that fits no node: a name that is mistyped must not pass in silence."""
    for rule in rules:
        if not matching(graph, rule):
            words = "; ".join(f"{k} = {', '.join(map(str, v))}" for k, v in rule.words.items() if isinstance(v, list))
            yield f"no node fits the precision rule {words}: it changes nothing"


def keeps_to(now: str, word: str) -> bool:
    """Does what a node computes in (`Decision.now`) keep to a word? Nothing breaks fp32, or a word for two types."""
    return now.startswith({"fp16": "f16", "bf16": "bf16", "int8": "int8", "fp8": "fp8"}.get(word, ""))


def rules_of(entries: Iterable[Mapping[str, object]]) -> tuple[LayerRule, ...]:
    """The rules from their `words`, which must be right."""
    return tuple(
        LayerRule(str(entry["precision"]), *(_texts(entry.get(key, ())) for key in ("nodes", "operators", "region")))
        for entry in entries
    )


def matched_by_name(name: str, rule: LayerRule) -> bool:
    """Does a rule's pattern fit a name?"""
    return any(re.fullmatch(_expression(pattern), name, re.DOTALL) for pattern in rule.nodes)


def _texts(given: object) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(map(str, given)) if isinstance(given, list | tuple) else ()


def _is_named(node: ir.Node, rule: LayerRule) -> bool:
    return any(matched_by_name(name, rule) for name in {str(node.name), *sources(node)})


def _expression(pattern: str) -> str:
    """A regular expression. Names hold brackets, so that only * and ? are special."""
    return re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")


def _region(graph: ir.Graph, ends: Sequence[str]) -> set[ir.Node]:
    first, last = ([n for n in graph if _is_named(n, LayerRule("", (pattern,)))] for pattern in ends)
    return _reached(first, forward=True) & _reached(last, forward=False)


def _reached(start: Sequence[ir.Node], *, forward: bool) -> set[ir.Node]:
    found, waiting = set(start), list(start)
    while waiting:
        node = waiting.pop()
        if forward:
            after = {user.node for value in node.outputs for user in value.uses()}
        else:
            after = {p for value in node.inputs if value is not None and (p := value.producer()) is not None}
        waiting += after - found
        found |= after
    return found
