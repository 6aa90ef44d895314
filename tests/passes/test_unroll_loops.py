"""unroll_loops.py: a Loop whose trips are known becomes its body, trip by trip. Oracle: ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.building.analyze import analyze
from burnish.kernels.task import each_launch
from burnish.passes.pipeline import optimize
from burnish.passes.rewrite.check_graph import check_graph, surfaces
from burnish.passes.rewrite.context import PassContext
from burnish.passes.unroll_loops import MOST_NODES, unroll_loops
from tests.passes.models import assert_same_answers, operators, parse, random_feeds, run_ort

CONSTANTS = "int64 n = {%s}, bool yes = {1}, bool no = {0}, int64 zero = {0}, int64 one = {1}, int64 three = {3}"
STEP = """body = step (int64 i, bool go, float[2] h) => (bool go_on, float[2] h_next, float[2] row)
    <float[2] k = {0.5, 2.0}> { go_on = Identity (go) at = Gather (x, i)
        h_new = Mul (h, k) h_next = Add (h_new, at) row = Tanh (h_next) }"""
RECURRENCE = f"""agraph (float[4,2] x, float[2] h0) => (float[2] h_last, float[r,2] y) <{CONSTANTS}>
    {{ [turns] h_last, y = Loop (n, yes, h0) <{STEP}> }}"""


def unrolled(model: ir.Model, seed: int = 0) -> ir.Model:
    """After the pass, which must leave the graph whole, its answers as they were, and nothing for a second run."""
    before, surface, context = model.clone(), surfaces(model), PassContext()
    assert unroll_loops(model, context) >= 1
    check_graph(model, surface, "unroll_loops")
    assert unroll_loops(model, PassContext()) == 0
    assert_same_answers(before, model, random_feeds(before, seed))
    optimize(model)
    assert_same_answers(before, model, random_feeds(before, seed))
    return model


def reason(model: ir.Model) -> str:
    before, context = operators(model), PassContext()
    assert unroll_loops(model, context) == 0
    assert operators(model) == before
    return context.report.why("unroll_loops", "turns")[0].reason


def test_states_are_passed_on_and_rows_are_stacked():
    model = parse(RECURRENCE % "3")
    before = model.clone()
    context = PassContext()
    assert unroll_loops(model, context) == 1
    assert ("unroll_loops", "turns") in context.report.applied
    assert operators(model) == [*["Identity", "Gather", "Mul", "Add", "Tanh"] * 3, *["Unsqueeze"] * 3, "Concat"]
    assert_same_answers(before, model, random_feeds(before))
    unrolled(parse(RECURRENCE % "3"))


def test_what_it_becomes_has_kernels_of_its_own():
    found = analyze(ir.to_proto(parse(RECURRENCE % "3")))
    assert not found.fallbacks and list(each_launch(found.program.steps))


@pytest.mark.parametrize("trips", [1, 4])
def test_one_trip_or_as_many_as_there_are_rows(trips: int):
    assert "Loop" not in operators(unrolled(parse(RECURRENCE % trips)))


@pytest.mark.parametrize(("trips", "starts"), [("0", "yes"), ("-2", "yes"), ("3", "no")])
def test_no_trip_gives_the_first_states_and_no_rows(trips: str, starts: str):
    model = unrolled(parse((RECURRENCE % trips).replace("(n, yes,", f"(n, {starts},")))
    feeds = random_feeds(model)
    last, rows = run_ort(model, feeds)
    np.testing.assert_array_equal(last, feeds["h0"])
    assert rows.shape == (0, 2)


@pytest.mark.parametrize(("most", "trips"), [("n", 3), ("n", 7), ("", 5)])
def test_a_condition_that_counts_is_computed_as_tf2onnx_writes_it(most: str, trips: int):
    """It goes on while a counter that is carried stays below 5 and the trip's number below 9."""
    model = parse(f"""agraph (float[2] x) => (float[2] last, float[r,2] y) <{CONSTANTS % trips}, float end = {{5}},
        int64 nine = {{9}}> {{ count, last, y = Loop ({most}, yes, zero, x) <body = step
            (int64 i, bool go, int64 c, float[2] s) => (bool go_on, int64 c_next, float[2] s_next, float[2] row) {{
                c_next = Add (c, one) f = Cast <to = 1> (c_next) early = Less (f, end) few = Less (i, nine)
                go_on = And (early, few) s_next = Sin (s) row = Identity (s_next) }}> }}""")
    feeds = random_feeds(model)
    expected = min(trips, 5)
    assert run_ort(model, feeds)[1].shape == (expected, 2)
    assert operators(unrolled(model)).count("Sin") == expected


def test_a_condition_that_turns_false_ends_the_loop_after_that_trip():
    model = parse((RECURRENCE % "3").replace("go_on = Identity (go)", "go_on = Identity (no)"))
    assert operators(unrolled(model)).count("Tanh") == 1


def test_a_state_may_grow_from_trip_to_trip():
    model = parse(f"""agraph (float[1,2] x) => (float[r,2] last) <{CONSTANTS % 3}> {{
        last = Loop (n, yes, x) <body = step (int64 i, bool go, float[s,2] h) => (bool go_on, float[t,2] h_next)
            {{ go_on = Identity (go) e = Exp (x) h_next = Concat <axis = 0> (h, e) }}> }}""")
    model = unrolled(model)
    assert run_ort(model, random_feeds(model))[0].shape == (4, 2)
    assert list(model.graph.outputs[0].shape or ()) == [4, 2]


def test_states_that_change_places_and_values_from_around_come_out_right():
    """The body gives its inputs, a value of the graph around it, and one value twice."""
    model = parse(f"""agraph (float[2] x) => (float[2] a, float[2] b, float[2] c, float[r,2] y, int64[m] z)
        <{CONSTANTS % 3}> {{ p = Neg (x) q = Exp (x) a, b, c, y, z = Loop (n, yes, x, p, p) <body = step
            (int64 i, bool go, float[2] s, float[2] t, float[2] u)
            => (bool go, float[2] t, float[2] s, float[2] q2, float[2] row, int64 i)
            {{ q2 = Identity (q) row = Sub (s, t) }}> }}""")
    body = model.graph.node(2).attributes["body"].as_graph()
    body.outputs[3] = model.graph.node(1).outputs[0]
    body.remove(body.node(0), safe=True)
    reference = parse("""agraph (float[2] x) => (float[2] a, float[2] b, float[2] c, float[3,2] y, int64[3] z)
        <int64[3] zs = {0, 1, 2}> { a = Neg (x) b = Identity (x) c = Exp (x) up = Sub (x, a) down = Sub (a, x)
            y3 = Concat <axis = 0> (up, down, up) shape = Constant <value_ints = [3, 2]> ()
            y = Reshape (y3, shape) z = Identity (zs) }""")
    assert unroll_loops(model, PassContext()) == 1
    assert_same_answers(reference, model, random_feeds(reference))


def test_a_loop_in_a_loop_and_in_a_side_of_an_if_is_unrolled():
    inner = """Loop (three, yes, s) <body = inner (int64 j, bool g, float[2] t) => (bool g2, float[2] t2)
        { g2 = Identity (g) jf = Cast <to = 1> (j) t2 = Add (t, jf) }>"""
    outer = f"""Loop (n, yes, x) <body = step (int64 i, bool go, float[2] s) => (bool go_on, float[2] s_next)
        {{ go_on = Identity (go) added = {inner} s_next = Sin (added) }}>"""
    model = unrolled(
        parse(f"""agraph (float[2] x, bool c) => (float[2] y, float[2] z) <{CONSTANTS % 2}> {{
        y = If (c) <then_branch = g1 () => (float[2] p) {{ p = {outer} }},
                    else_branch = g2 () => (float[2] q) {{ q = Abs (x) }}>
        z = {outer.replace(" t2", " w2").replace("t2 ", "w2 ").replace("g2", "gg")} }}""")
    )
    assert "Loop" not in operators(model)


def test_a_choice_in_the_body_that_gives_a_value_from_around_is_copied_with_it():
    model = unrolled(
        parse(f"""agraph (float[2] x, bool[3] c) => (float[2] y) <{CONSTANTS % 3}> {{
        y = Loop (n, yes, x) <body = step (int64 i, bool go, float[2] s) => (bool go_on, float[2] s_next)
            {{ go_on = Identity (go) b = Gather (c, i) s_next = If (b) <
                then_branch = g1 () => (float[2] p) {{ p = Mul (s, s) }},
                else_branch = g2 () => (float[2] q) {{ h = Sin (s) q = Identity (h) }}> }}> }}""")
    )
    assert operators(model).count("If") == 3


@pytest.mark.parametrize(("change", "why"), [
    (("float[2] h0)", "float[2] h0, int64 m)", "(n, yes,", "(m, yes,"), "number of trips is known only"),
    (("float[2] h0)", "float[2] h0, bool c)", "(n, yes,", "(n, c,"), "starts is known only"),
    (("go_on = Identity (go)", "s = ReduceMax <keepdims = 0> (h) f = Less (s, s) go_on = Not (f)"), "depends on h0"),
    (("go_on = Identity (go)", "s = ReduceMax <keepdims = 0> (x) f = Less (s, s) go_on = Not (f)"), "depends on x"),
    (("go_on = Identity (go)", "s = RandomNormal <shape = [1]> () f = Less (s, s) go_on = Not (f)"), "depends on s"),
    (("int64 n = {3}", "int64 n = {1000}"), f"1000 trips or more of 5 nodes are more than {MOST_NODES}"),
    (("(n, yes,", "(, yes,"), f"820 trips or more of 5 nodes are more than {MOST_NODES}"),
    (("int64 n = {3}", "int64 n = {0}", "float[2] row", "float[w] row"), "no trip, and the shape of its rows"),
])  # fmt: skip
def test_a_loop_stays_with_its_reason(change: tuple[str, ...], why: str):
    text = RECURRENCE % "3"
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in text
        text = text.replace(old, new)
    model = parse(text)
    if "float[w] row" in text:  # shape inference of the oracle's side knows better
        model.graph.node(0).attributes["body"].as_graph().outputs[2].shape = ir.Shape(["w"])
    assert why in reason(model)


def test_a_loop_that_carries_a_sequence_stays():
    model = parse(f"""agraph (float[2] x) => (float[r,2] y) <{CONSTANTS % 3}> {{ e = SequenceEmpty ()
        [turns] s = Loop (n, yes, e) <body = step (int64 i, bool go, seq(float[2]) q) => (bool go_on, seq(float[2]) q2)
            {{ go_on = Identity (go) q2 = SequenceInsert (q, x) }}> y = ConcatFromSequence <axis = 0, new_axis = 1> (s)
        }}""")
    assert "sequence" in reason(model)


def test_loops_together_stay_below_what_a_model_may_hold(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("burnish.passes.unroll_loops.MOST_NODES_OF_A_MODEL", 12 + 15)
    text = RECURRENCE.replace("[turns]", f"g, z = Loop (n, yes, h0) <{STEP}> [turns]") % "3"
    model, context = parse(text), PassContext()
    assert unroll_loops(model, context) == 1
    assert "more than 0 nodes" in context.report.why("unroll_loops", "turns")[0].reason
