"""fold_branches.py: an If that is decided becomes the branch that it picks."""

from __future__ import annotations

from burnish.passes.fold_branches import fold_branches
from burnish.passes.rewrite.context import PassContext
from burnish.passes.specialize import specialize
from tests.passes.models import assert_same_answers, operators, parse, random_feeds

TEXT = """agraph (float[2] x) => (float[2] y, float[2] z) <bool c = {%s}> {
    h = Abs (x)
    y, z = If (c) <
        then_branch = g1 () => (float[2] t, float[2] same) <float[2] k = {1.0, 2.0}>
            { n = Neg (h) t = Mul (n, k) same = Identity (t) },
        else_branch = g2 () => (float[2] h, float[2] u) { n = Exp (h) u = Relu (n) }> }"""


def test_the_branch_that_a_constant_picks_is_inlined_under_free_names():
    for value, expected in (("1", ["Abs", "Neg", "Mul", "Identity"]), ("0", ["Abs", "Exp", "Relu"])):
        model = parse(
            TEXT.replace("%s", value).replace(
                "(float[2] h, float[2] u) { n = Exp (h)", "(float[2] n, float[2] u) { n = Exp (h)"
            )
        )
        before = model.clone()
        assert fold_branches(model, PassContext()) == 1
        assert operators(model)[: len(expected)] == expected
        names = [v.name for n in model.graph for v in n.outputs]
        assert len(set(names)) == len(names)
        assert_same_answers(before, model, random_feeds(before))
        assert fold_branches(model, PassContext()) == 0


def test_a_branch_that_gives_an_outer_value_or_one_value_twice_is_inlined():
    text = """agraph (float[2] x) => (float[2] y, float[2] z) <bool c = {1}> {
        y, z = If (c) <then_branch = g1 () => (float[2] t, float[2] t2) { t = Neg (x) t2 = Identity (t) },
                       else_branch = g2 () => (float[2] e, float[2] e2) { e = Abs (x) e2 = Relu (x) }> }"""
    model = parse(text)
    branch = model.graph.node(0).attributes["then_branch"].as_graph()
    branch.outputs[1] = branch.outputs[0]
    before = parse(text)
    fold_branches(model, PassContext())
    assert_same_answers(before, model, random_feeds(before))


def test_nested_branches_fold_round_by_round():
    text = """agraph (float[2] x) => (float[2] y) <bool yes = {1}, bool no = {0}> {
        y = If (yes) <
            then_branch = g1 () => (float[2] t) { t = If (no) <
                then_branch = g3 () => (float[2] a) { a = Neg (x) },
                else_branch = g4 () => (float[2] b) { b = Exp (x) }> },
            else_branch = g2 () => (float[2] e) { e = Abs (x) }> }"""
    model = parse(text)
    before = model.clone()
    while fold_branches(model, PassContext()):
        pass
    assert operators(model) == ["Exp"]
    assert_same_answers(before, model, random_feeds(before))


def test_a_condition_of_the_run_is_left_alone_with_its_reason():
    text = """agraph (bool c, float[2] x) => (float[2] y) { [choice] y = If (c) <
        then_branch = g1 () => (float[2] t) { t = Neg (x) }, else_branch = g2 () => (float[2] e) { e = Abs (x) }> }"""
    context = PassContext()
    assert fold_branches(parse(text), context) == 0
    assert "only during the run" in context.report.why("fold_branches", "choice")[0].reason


def test_a_branch_that_the_bound_shapes_rule_out_stays_so_that_a_run_that_takes_it_is_refused():
    text = """agraph (bool c, float[n,4] x) => (float[m,k] y)
        <float[4,2] w = {1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0}, int64[1] a = {0}> {
        y = If (c) <then_branch = g1 () => (float[p,q] t) { s = Squeeze (x, a) v = Unsqueeze (s, a) t = MatMul (v, w) },
                    else_branch = g2 () => (float[r,z] e) { e = MatMul (x, w) }> }"""
    model = parse(text)
    context = PassContext(input_shapes={"x": [3, 4]})
    specialize(model, context)
    assert fold_branches(model, context) == 0
    assert "If" in operators(model)
