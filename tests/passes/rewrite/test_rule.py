"""rule.py: matching, declining, rewriting."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.errors import InternalError
from burnish.passes.rewrite.pattern import PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, sources
from tests.passes.models import add_constants, apply, assert_same_answers, operators, parse, random_feeds


class ReluTwice(Rule):
    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Relu(op.Relu(x, _name="inner"))

    def check(self, match: Match) -> Skip | None:
        return Skip(f"{match.x.name} is f64") if match.x.dtype == ir.DataType.DOUBLE else None

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return op.Relu(match.x)


class ScaleAndShift(Rule):
    """x * scale + shift -> (shift + x * scale) in a fused operator, with commuted operands."""

    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Add(op.Mul(x, op.constant("scale")), op.constant("shift"))

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        total = op.constant(match.array("scale") + match.array("shift"), "total")
        return op.Mul(op.Abs(match.x), total)


def test_a_match_is_rewritten_and_keeps_names_and_sources():
    model = parse("agraph (float[2] x) => (float[2] y) { [first] h = Relu(x) [second] y = Relu(h) }")
    before = model.clone()
    changes, _ = apply(model, ReluTwice())
    assert changes == 1 and operators(model) == ["Relu"]
    node = model.graph.node(0)
    assert node.name == "second" and sources(node) == ("first", "second")
    assert model.graph.outputs[0].name == "y"
    assert_same_answers(before, model, random_feeds(before))


def test_a_chain_is_rewritten_until_nothing_is_left_to_do():
    model = parse("agraph (float[2] x) => (float[2] y) { a = Relu(x) b = Relu(a) c = Relu(b) y = Relu(c) }")
    assert apply(model, ReluTwice())[0] == 3 and operators(model) == ["Relu"]
    assert apply(model, ReluTwice())[0] == 0


def test_a_check_that_skips_is_recorded_with_its_reason():
    model = parse("agraph (double[2] x) => (double[2] y) { [first] h = Relu(x) [second] y = Relu(h) }")
    changes, report = apply(model, ReluTwice())
    assert changes == 0
    assert [d.reason for d in report.why("ReluTwice", "second")] == ["x is f64"]
    assert [d.reason for d in report.why("ReluTwice", "first")] == ["x is not computed by Relu"]


def test_an_inner_value_with_other_users_makes_a_rule_decline():
    model = parse(
        "agraph (float[2] x) => (float[2] y, float[2] z) { h = Relu(x) [second] y = Relu(h) [user] z = Abs(h) }"
    )
    changes, report = apply(model, ReluTwice())
    assert changes == 0
    assert report.why(node="second")[0].reason == "Relu result h has 1 other users: user"


def test_an_inner_value_that_is_an_output_makes_a_rule_decline():
    model = parse("agraph (float[2] x) => (float[2] h, float[2] y) { h = Relu(x) [second] y = Relu(h) }")
    changes, report = apply(model, ReluTwice())
    assert changes == 0 and "is an output of the graph" in report.why(node="second")[0].reason


def test_commutative_operators_match_in_both_orders():
    for body in ("m = Mul(x, s) y = Add(m, t)", "m = Mul(s, x) y = Add(t, m)"):
        model = parse(f"agraph (float[2] x, float[2] s, float[2] t) => (float[2] y) {{ {body} }}")
        add_constants(model, {"s": np.ones(2, np.float32), "t": np.ones(2, np.float32)})
        assert apply(model, ScaleAndShift())[0] == 1
        assert operators(model) == ["Abs", "Mul"]
        names = [n.name for n in model.graph]
        assert len(set(names)) == 2 and names[0].endswith("/Abs")
        assert "total" in model.graph.initializers


def test_a_variable_that_must_be_constant_is_named_when_it_is_not():
    model = parse("agraph (float[2] x, float[2] s, float[2] t) => (float[2] y) { m = Mul(x, s) [add] y = Add(m, t) }")
    changes, report = apply(model, ScaleAndShift())
    assert changes == 0 and "is not a constant" in report.why(node="add")[0].reason


def test_rules_work_inside_subgraphs_and_leave_outer_nodes_alone():
    model = parse(
        """agraph (bool c, float[2] x) => (float[2] y) {
            outer = Relu(x)
            y = If (c) <then_branch = g1 () => (float[2] t) { a = Relu(x) t = Relu(a) },
                        else_branch = g2 () => (float[2] e) { [inside] e = Relu(outer) }>
        }"""
    )
    changes, report = apply(model, ReluTwice())
    assert changes == 1 and operators(model).count("Relu") == 3
    assert "lies outside the subgraph" in report.why(node="inside")[0].reason


def test_a_rule_that_matches_its_own_result_is_reported_as_our_bug():
    class Forever(Rule):
        op_types = ("Relu",)

        def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
            return op.Relu(match.root.inputs[0])

    model = parse("agraph (float[2] x) => (float[2] y) { y = Relu(x) }")
    with pytest.raises(InternalError, match=r"E910.*Forever"):
        apply(model, Forever())


def test_numbers_attributes_and_alternatives_are_matched():
    class Probe(Rule):
        def pattern(self, op: PatternBuilder, x: object) -> object:
            inner = op.any_of(op.Softmax(x, axis=-1), op.LeakyRelu(x, alpha=lambda a: a > 0.5))
            return op.Mul(inner, 0.5)

        def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
            return op.Abs(match.x)

    def fires(body: str) -> bool:
        model = parse(f"agraph (float[2] x) => (float[2] y) <float[1] h = {{0.5}}, float q = {{0.25}}> {{ {body} }}")
        return apply(model, Probe())[0] == 1

    assert fires("s = Softmax(x) y = Mul(h, s)")
    assert fires("s = Softmax <axis = -1> (x) y = Mul(s, h)")
    assert fires("s = LeakyRelu <alpha = 0.75> (x) y = Mul(s, h)")
    assert not fires("s = LeakyRelu (x) y = Mul(s, h)")
    assert not fires("s = Softmax <axis = 0> (x) y = Mul(s, h)")
    assert not fires("s = Softmax(x) y = Mul(s, q)")


def test_a_passthrough_result_keeps_the_output_name_with_an_identity():
    class Drop(Rule):
        op_types = ("Dropout",)

        def rewrite(self, op: Builder, match: Match, found: None) -> list[ir.Value]:
            return [match.root.inputs[0]]

    model = parse("agraph (float[2] x) => (float[2] y) { y = Dropout(x) }")
    before = model.clone()
    assert apply(model, Drop())[0] == 1 and operators(model) == ["Identity"]
    assert_same_answers(before, model, random_feeds(before))


class TopKToAbs(Rule):
    op_types = ("TopK",)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return op.Abs(match.root.inputs[0])


def test_a_rule_that_gives_the_first_output_alone_fires_where_the_others_are_not_used():
    body = "agraph (float[2] x, int64[1] k) => (float[2] y, OUTPUT) { y, i = TopK (x, k) z = Relu (x) }"
    model = parse(body.replace("OUTPUT", "float[2] z"))
    assert apply(model, TopKToAbs())[0] == 1 and operators(model) == ["Abs", "Relu"]
    model = parse(body.replace("OUTPUT", "int64[2] i"))
    changes, report = apply(model, TopKToAbs())
    assert changes == 0 and "its output i is used too" in report.why()[0].reason
