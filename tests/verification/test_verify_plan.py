"""A plan against its model: right ones pass, wrong ones do not, and the first wrong tensor is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan import Plan
from burnish.verification import first_divergent, verify
from burnish.verification.divergence import _spread
from burnish.verification.oracle import Oracle
from tests.small_model import small_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("verify") / "small.onnx"
    onnx.save(small_model(), str(path))
    return path


@pytest.fixture(scope="module")
def plan(model: Path) -> Plan:
    return burnish.build(model, shapes={"x": (3, 4)})


def with_weight(model: onnx.ModelProto, name: str, change: np.ndarray) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for tensor in changed.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * change, name))
    return changed


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
@pytest.mark.parametrize("output", ["fp32", "fp16"])
def test_a_plan_in_lower_precision_is_judged_by_that(model: Path, precision: str, output: str) -> None:
    made = burnish.build(model, shapes={"x": (3, 4)}, precision=precision, output_precision=output)
    assert verify(model, made).is_accepted
    broken = with_weight(small_model(), small_model().graph.initializer[0].name, np.float32(1.05))
    wrong = burnish.build(
        broken.SerializeToString(), shapes={"x": (3, 4)}, precision=precision, output_precision=output
    )
    assert not verify(model, wrong).is_accepted


@pytest.mark.parametrize("oracle", ["onnxruntime", "reference"])
def test_a_right_plan_is_accepted_by_either_oracle(model: Path, plan: Plan, oracle: str) -> None:
    report = verify(model, plan, oracle=oracle)
    assert report.is_accepted and report.oracle == oracle
    assert report.as_dict()["outputs"][0]["accepted"]


def test_a_plan_of_other_weights_is_rejected(model: Path) -> None:
    wrong = burnish.build(with_weight(small_model(), "b", np.float32(1.05)), shapes={"x": (3, 4)})
    report = verify(model, wrong)
    assert not report.is_accepted
    assert "is allowed" in report.cases["random inputs, seed 0"][0].reason


def test_what_one_case_was_forgiven_is_not_forgiven_in_the_next(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = burnish.build(with_weight(small_model(), "b", np.float32(1.002)), shapes={"x": (3, 4)})
    for n in range(2):
        (folder := tmp_path / f"test_data_set_{n}").mkdir()
        x = np.random.default_rng(n).standard_normal((3, 4)).astype(np.float32)
        (folder / "input_0.pb").write_bytes(numpy_helper.from_array(x, "x").SerializeToString())
    moved = iter((1.0, 0.0))
    monkeypatch.setattr(
        "burnish.verification.verify_plan.sensitivity",
        lambda model, inputs, expected, oracle: dict.fromkeys(expected, next(moved)),
    )
    cases = verify(model, wrong, data=tmp_path).cases
    assert [case[0].is_accepted for case in cases.values()] == [True, False]


def test_given_data_and_given_shapes_are_used(model: Path) -> None:
    dynamic = burnish.build(model, profile={"x": ((1, 4), (2, 4), (9, 4))})
    assert verify(model, dynamic, shapes={"x": (9, 4)}).cases["random inputs, seed 0"][0].shape == (9, 3)
    assert verify(model, dynamic, data={"x": np.ones((5, 4), np.float32)}).cases["data"][0].shape == (5, 3)


def test_a_plan_of_another_model_is_refused(model: Path) -> None:
    other = small_model()
    other.graph.output[0].name = other.graph.node[2].output[0] = "z"
    with pytest.raises(UserError, match=r"E714.*output 'z'"):
        verify(model, burnish.build(other, shapes={"x": (3, 4)}))


def test_an_oracle_that_cannot_is_named(model: Path, plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match=r"E712.*onnxruntime"):
        Oracle(tmp_path / "none.onnx", "onnxruntime")
    with pytest.raises(EnvironmentProblem, match=r"E712.*run the model"):
        Oracle(model)({"x": np.ones((1, 9), np.float32)})
    with pytest.raises(UserError, match=r"E711.*'guess'"):
        verify(model, plan, oracle="guess")


def chain(length: int) -> onnx.ModelProto:
    """x -> * w0 -> * w1 ... -> y, w = 1."""
    names = ["x", *(f"t{n}" for n in range(length - 1)), "y"]
    nodes = [helper.make_node("Mul", [names[n], f"w{n}"], [names[n + 1]], f"mul{n}") for n in range(length)]
    weights = [numpy_helper.from_array(np.ones(4, np.float32), f"w{n}") for n in range(length)]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "chain", [value("x", TensorProto.FLOAT, [4])], [value("y", TensorProto.FLOAT, [4])], weights
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.mark.parametrize("place", [0, 17, 50, 79])
def test_the_first_divergent_tensor_is_found_in_a_long_chain(place: int) -> None:
    """A stand-in for a plan that is wrong at one node: the oracle on a model with one weight changed."""
    right = chain(80)

    def run(marked: bytes, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        wrong = with_weight(onnx.ModelProto.FromString(marked), f"w{place}", np.float32(1.02))
        return Oracle(wrong.SerializeToString())(inputs)

    found = first_divergent(right, {"x": np.ones(4, np.float32)}, run)
    assert (found.node, found.operator) == (f"mul{place}", "Mul")
    assert found.tensor == (f"t{place}" if place < 79 else "y")
    assert found.after == (f"t{place - 1}" if place else "")
    assert found.builds <= 3
    assert found.comparison is not None and not found.comparison.is_accepted


def test_a_fault_that_looking_prevents_is_said_to_be_one() -> None:
    model = chain(5)
    found = first_divergent(model, {"x": np.ones(4, np.float32)}, lambda marked, inputs: Oracle(marked)(inputs))
    assert (found.tensor, found.after, found.builds) == ("", "y", 1)


def test_verify_searches_with_the_plans_that_rebuild_makes(model: Path) -> None:
    wrong_weight = np.array([1, 1.05, 1], np.float32)

    def rebuild(marked: bytes) -> Plan:
        wrong = with_weight(onnx.ModelProto.FromString(marked), "b", wrong_weight)
        return burnish.build(wrong, shapes={"x": (3, 4)})

    wrong = rebuild(small_model().SerializeToString())
    report = verify(model, wrong, rebuild=rebuild)
    assert report.divergence is not None
    assert (report.divergence.node, report.divergence.after) == ("sum", "product")


@pytest.mark.parametrize(("first", "end", "most"), [(0, 5, 16), (0, 16, 16), (3, 200, 16), (0, 17, 16), (4, 5, 16)])
def test_marks_are_spread_evenly_and_the_last_is_among_them(first: int, end: int, most: int) -> None:
    places = _spread(first, end, most)
    assert places[-1] == end - 1 and len(places) == min(most, end - first) == len(set(places))
    assert max(np.diff([first - 1, *places])) <= -(-(end - first) // most)


@pytest.mark.parametrize("oracle", ["onnxruntime", "reference"])
def test_oracles_take_and_give_bf16(oracle: str) -> None:
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["wide", "wide"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["y"], to=TensorProto.BFLOAT16),
    ]
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.BFLOAT16, [4])], [value("y", TensorProto.BFLOAT16, [4])]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    y = Oracle(model.SerializeToString(), oracle)({"x": np.arange(4).astype(ml_dtypes.bfloat16)})["y"]
    assert y.dtype == ml_dtypes.bfloat16 and y.tolist() == [0, 2, 4, 6]
