"""Indices out of range are refused, whichever operator uses them, wherever it stands; ONNX Runtime refuses the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import parser

import burnish
from burnish.building.analyze import analyze
from burnish.kernels.task import each_launch
from burnish.plan.plan import Plan
from burnish.tune.task import tasks_of

F32, I64 = np.float32, np.int64
TABLE = np.arange(20, dtype=F32).reshape(5, 4)


def model(text: str) -> onnx.ModelProto:
    return parser.parse_model(f'<ir_version: 10, opset_import: ["": 21]> {text}')


GATHER = model("g (float[5,4] x, int64[N] i) => (float[N,4] y) { y = Gather(x, i) }")
CASES = {
    "Gather": (GATHER, {"x": TABLE, "i": np.array([4, -5, 0])}, [5, -6, 1 << 62]),
    "Gather of the last axis": (
        model("g (float[5,4] x, int32[2,1] i) => (float[5,2,1] y) { y = Gather <axis = 1> (x, i) }"),
        {"x": TABLE, "i": np.array([[3], [-4]], np.int32)},
        [4, -5],
    ),
    "GatherElements": (
        model("g (float[5,4] x, int64[2,4] i) => (float[2,4] y) { y = GatherElements(x, i) }"),
        {"x": TABLE, "i": np.array([[0, 1, 2, 4], [-1, -5, 0, 0]])},
        [5, -6],
    ),
    "GatherND": (
        model("g (float[5,4] x, int64[3,2] i) => (float[3] y) { y = GatherND(x, i) }"),
        {"x": TABLE, "i": np.array([[4, 3], [-5, -4], [0, 0]])},
        [5, -6],
    ),
    "ScatterElements": (
        model("g (float[5,4] x, int64[1,4] i, float[1,4] u) => (float[5,4] y) { y = ScatterElements(x, i, u) }"),
        {"x": TABLE, "i": np.array([[0, 4, -5, 2]]), "u": np.ones((1, 4), F32)},
        [5, -6],
    ),
    "ScatterND": (
        model("g (float[5,4] x, int64[2,1] i, float[2,4] u) => (float[5,4] y) { y = ScatterND(x, i, u) }"),
        {"x": TABLE, "i": np.array([[4], [-5]]), "u": np.ones((2, 4), F32)},
        [5, -6],
    ),
    "computed indices": (
        model("g (float[5,4] x, int32[3] i) => (float[3,4] y) { j = Cast <to = 7> (i) k = Neg(j) y = Gather(x, k) }"),
        {"x": TABLE, "i": np.array([5, -4, 0], np.int32)},
        [6, -5],
    ),
}


def runs(plan: Plan, feed: dict[str, Any]) -> dict[str, Any]:
    with burnish.load(plan, threads=1) as engine:
        return engine(feed)


def build(m: onnx.ModelProto, **options: Any) -> Plan:
    return burnish.build(m, profile={"i": ((1,), (3,), (9,))} if m is GATHER else None, **options)


@pytest.mark.parametrize("name", CASES)
def test_an_index_out_of_range_is_refused_and_the_outermost_ones_are_not(name: str) -> None:
    m, feed, wrong = CASES[name]
    plan, oracle = build(m), onnxruntime.InferenceSession(m.SerializeToString())
    with burnish.load(plan, threads=2) as engine:
        np.testing.assert_array_equal(engine(feed)["y"], oracle.run(None, feed)[0])
        for index in wrong:
            bad = feed["i"].copy()
            bad.flat[-1] = index
            with pytest.raises(burnish.UserError) as refused:
                engine(feed | {"i": bad})
            assert refused.value.code == "E525" and "'" in refused.value.what
        np.testing.assert_array_equal(engine(feed)["y"], oracle.run(None, feed)[0])  # the next run is free of it


def test_work_that_was_enqueued_is_refused_to_who_waits_for_it() -> None:
    with burnish.load(build(GATHER)) as engine, engine.create_context() as context:
        pending = context.enqueue({"x": TABLE, "i": np.array([7])})
        assert context({"x": TABLE, "i": np.array([2])})["y"].tolist() == [TABLE[2].tolist()]
        for _ in range(2):
            with pytest.raises(burnish.UserError, match="index 7 is out of range"):
                pending.wait()


def test_an_option_turns_it_off_and_the_nearest_index_is_taken() -> None:
    plan = build(GATHER, index_checks=False)
    assert runs(plan, {"x": TABLE, "i": np.array([7, -9])})["y"].tolist() == TABLE[[4, 0]].tolist()
    assert not any("index" in launch.name for launch in plan.manifest.variants[0].launches)


def test_a_constant_index_out_of_range_is_refused_at_build() -> None:
    text = "g (float[5,4] x) => (float[1,4] y) <int64[1] i = {5}> { y = Gather(x, i) }"
    with pytest.raises(burnish.UserError, match="indices 5 to 5") as refused:
        burnish.build(model(text))
    assert refused.value.code == "E203"


def test_a_constant_index_into_an_open_axis_is_asked_when_shapes_are_bound() -> None:
    text = "g (float[N,4] x) => (float[2,4] y) <int64[2] i = {2, -1}> { y = Gather(x, i) }"
    plan = burnish.build(model(text), profile={"x": ((1, 4), (5, 4), (9, 4))})
    assert runs(plan, {"x": TABLE})["y"].tolist() == TABLE[[2, 4]].tolist()
    with pytest.raises(burnish.UserError, match="do not fit together") as refused:
        runs(plan, {"x": TABLE[:2]})
    assert refused.value.code == "E509"


def test_only_the_side_of_an_if_that_runs_is_asked() -> None:
    text = """g (bool c, float[5,4] x, int64[3] i) => (float[3,4] y) {
        y = If (c) <then_branch = t () => (float[3,4] a) { a = Gather(x, i) },
                    else_branch = e () => (float[3,4] b) { s = Slice(x, zero, three) b = Neg(s) }>
    }"""
    m = model(text.replace("=> (float[3,4] y) {", "=> (float[3,4] y) <int64[1] zero = {0}, int64[1] three = {3}> {", 1))
    with burnish.load(burnish.build(m), threads=1) as engine:
        bad, good = np.array([0, 1, 9]), np.array([0, 1, 4])
        for _ in range(2):
            assert engine(c=np.array(False), x=TABLE, i=bad)["y"].tolist() == (-TABLE[:3]).tolist()
            with pytest.raises(burnish.UserError, match="index 9"):
                engine(c=np.array(True), x=TABLE, i=bad)
            assert engine(c=np.array(True), x=TABLE, i=good)["y"].tolist() == TABLE[good].tolist()


def test_an_axis_that_is_empty_has_no_index() -> None:
    text = "g (float[N,4] x, int64[M] i) => (float[M,4] y) { y = Gather(x, i) }"
    plan = burnish.build(model(text), profile={"x": ((0, 4), (5, 4), (9, 4)), "i": ((0,), (1,), (2,))})
    assert runs(plan, {"x": TABLE[:0], "i": np.zeros(0, I64)})["y"].shape == (0, 4)
    with pytest.raises(burnish.UserError) as refused:
        runs(plan, {"x": TABLE[:0], "i": np.zeros(1, I64)})
    assert refused.value.code == "E509"  # the shapes tell


def test_lengths_and_places_in_a_cache_are_indices_too() -> None:
    reverse = model(
        "g (float[5,4] x, int64[4] i) => (float[5,4] y) { y = ReverseSequence <time_axis = 0, batch_axis = 1> (x, i) }"
    )
    assert runs(burnish.build(reverse), {"x": TABLE, "i": np.array([5, 1, 0, 2])})["y"].shape == (5, 4)
    with pytest.raises(burnish.UserError, match="index 6"):
        runs(burnish.build(reverse), {"x": TABLE, "i": np.array([5, 1, 6, 2])})


def test_checks_are_not_tuned_so_that_timing_caches_need_not_know_them() -> None:
    program = analyze(GATHER, profile={"i": ((1,), (3,), (9,))}).program
    (check,) = [launch for launch in each_launch(program.steps) if not launch.is_tuned]
    assert "index check" in check.name
    assert [task.kernel for task in tasks_of(program)] == [x.kernel for x in each_launch(program.steps) if x.is_tuned]


@pytest.mark.parametrize(("start", "is_asked"), [("zero", False), ("one", True)])
def test_places_that_are_computed_from_sizes_are_proven_where_they_can_be(start: str, is_asked: bool) -> None:
    constants = "int64 zero = {0}, int64 one = {1}, int64[1] axes = {0}"
    body = f"s = Shape <start = 0, end = 1> (x) n = Squeeze(s, axes) r = Range({{}}, n, one) i = Add(r, {start})"
    body = body.format("zero")
    text = f"g (float[N,4] x, int64[2] j) => (float[N,4] y) <{constants}> {{ {body} y = Gather(x, i) }}"
    program = analyze(model(text), profile={"x": ((1, 4), (5, 4), (9, 4))}).program
    assert any("index check" in x.name for x in each_launch(program.steps)) == is_asked


@pytest.mark.parametrize(
    ("columns", "is_asked"), [("{0, 1, 2, 3}", False), ("{1, 2, 3, 4}", True), ("{0, 3, 1, 4}", True)]
)
def test_places_beside_constants_that_count_are_proven(columns: str, is_asked: bool) -> None:
    constants = (
        f"int64 zero = {{0}}, int64 one = {{1}}, int64 width = {{4}}, int64[1] last = {{1}}, int64[4] c = {columns}"
    )
    body = "s = Shape <start = 0, end = 1> (x) n = Squeeze(s) r = Range(zero, n, one) u = Unsqueeze(r, last)"
    body += " w = Mul(u, width) i = Add(w, c) flat = Reshape(x, all) y = Gather(flat, i)"
    text = f"g (float[N,4] x) => (float[N,4] y) <{constants}, int64[1] all = {{-1}}> {{ {body} }}"
    program = analyze(model(text), profile={"x": ((1, 4), (5, 4), (9, 4))}).program
    assert any("index check" in x.name for x in each_launch(program.steps)) == is_asked


@pytest.mark.parametrize(
    "dtype, rows, is_asked",
    [("uint8", 256, False), ("int8", 256, False), ("int8", 128, False), ("uint8", 255, True), ("int8", 127, True)],
)
def test_an_index_of_8_bits_is_proven_where_every_code_is_inside(dtype: str, rows: int, is_asked: bool) -> None:
    text = f"g ({dtype}[N] c, float[{rows}] t) => (float[N] y) {{ i = Cast <to = 6> (c) y = Gather(t, i) }}"
    program = analyze(model(text)).program
    assert any("index check" in launch.name for launch in each_launch(program.steps)) == is_asked


def test_equal_questions_are_asked_once() -> None:
    body = "a = Gather(x, i) b = Gather(z, i) y = Add(a, b)"
    text = f"g (float[5,4] x, float[5,4] z, int64[3] i) => (float[3,4] y) {{ {body} }}"
    plan = burnish.build(model(text))
    assert sum("index check" in launch.name for launch in plan.manifest.variants[0].launches) == 1
