"""Rules for single nodes: what they fit, and that the last one holds."""

from __future__ import annotations

import json

import onnx_ir as ir
import pytest

from burnish.ops.inference.infer import infer
from burnish.passes.rewrite.rule import SOURCES
from burnish.precision.layers import LayerRule, matching, precision_of_nodes, rules_of, unmatched_notes
from burnish.precision.narrow import narrow
from burnish.precision.precision import ASKED, parse_precision
from burnish.precision.quantise.quantise import quantise
from burnish.precision.ranges import Range, Ranges
from burnish.precision.round_weights import round_weights
from tests.precision.graphs import normal, parse

TEXT = """g (float[2,8] x) => (float[2,8] y) {
    a = MatMul(x, u)  b = Relu(a)  c = MatMul(b, v)  d = MatMul(x, w)  y = Add(c, d)
}"""
WEIGHTS = {name: normal(8, 8, seed=n) for n, name in enumerate("uvw")}
NAMES = ("/one/[0]", "/one/act", "/two*", "/side", "/sum")


def model() -> ir.Model:
    made = parse(TEXT, WEIGHTS)
    for node, name in zip(made.graph, NAMES):
        node.name = name
    return made


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        (LayerRule("fp32"), NAMES),
        (LayerRule("fp32", ("/one/*",)), NAMES[:2]),
        (LayerRule("fp32", ("/one/[0]",)), NAMES[:1]),
        (LayerRule("fp32", ("/s??",)), ("/sum",)),
        (LayerRule("fp32", ("/one/*", "/side"), ("MatMul",)), ("/one/[0]", "/side")),
        (LayerRule("fp32", region=("/one/*", "/sum")), (*NAMES[:3], "/sum")),
        (LayerRule("fp32", operators=("MatMul",), region=("/one/act", "/sum")), ("/two*",)),
        (LayerRule("fp32", region=("/sum", "/one/act")), ()),
    ],
)
def test_every_condition_of_a_rule_must_hold(rule: LayerRule, names: tuple[str, ...]) -> None:
    assert tuple(node.name for node in matching(model().graph, rule)) == names


def test_a_node_is_known_by_the_names_that_it_replaced() -> None:
    made = model()
    next(iter(made.graph)).metadata_props[SOURCES] = json.dumps(["conv", "bn"])
    assert [n.name for n in matching(made.graph, LayerRule("fp32", ("bn",)))] == ["/one/[0]"]


def test_the_last_rule_holds_and_one_that_fits_nothing_is_told() -> None:
    rules = (LayerRule("fp32"), LayerRule("int8", operators=("MatMul",)), LayerRule("fp16", ("/side", "/no")))
    found = {str(node.name): word for node, word in precision_of_nodes(model().graph, rules).items()}
    assert found == dict(zip(NAMES, ("int8", "fp32", "int8", "fp16", "fp32")))
    lost = LayerRule("fp32", ("/no*",), ("Conv",))
    assert list(unmatched_notes(model().graph, (*rules, lost))) == [
        "no node fits the precision rule nodes = /no*; operators = Conv: it changes nothing"
    ]
    assert rules_of([rule.words for rule in rules]) == rules


def test_a_rule_keeps_nodes_from_codes_and_from_narrow_floats() -> None:
    ranges = Ranges({"x": Range(-4, 4), "b": Range(0, 9)})
    wanted = parse_precision("int8+fp16", None, ranges, [LayerRule("fp32", ("/one*",)), LayerRule("int8", ("/side",))])
    made = model()
    rows = quantise(made.graph, ranges, wanted.kept_from_codes(made.graph))
    assert [(row.node, row.now) for row in rows] == [("/one/[0]", "f32"), ("/two*", "int8"), ("/side", "int8")]
    assert rows[0].why == ASKED
    made = model()
    now = {row.node: row.now for row in narrow(made.graph, infer(made.graph), wanted)}
    assert now == dict(zip(NAMES, ("f32", "f32", "f16", "f32", "f32")))
    made = model()
    kept = wanted.kept_wide(made.graph)
    now = {row.node: row.now for row in round_weights(made.graph, infer(made.graph), wanted.values, kept)}
    assert now["/one/[0]"] == now["/side"] == "f32" and now["/two*"] == "f16 weights"
