"""build.py: from a model to a plan, and what a plan promises."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import burnish
from burnish.building import build_plan
from burnish.building.analyze import Analysis
from burnish.devices import this_machine
from burnish.errors import InternalError, UserError
from burnish.kernels.abilities import Abilities
from burnish.target import parse_target

RNG = np.random.default_rng(0)
MLP = "m (float[n,16] x) => (float[n,4] y) { h = MatMul(x, w) r = Relu(h) y = MatMul(r, v) }"
CHOICE = """m (bool c, float[n,4] x) => (float[a,b] y) {
    y = If (c) <then_branch = g () => (float[p,q] t) { s = Squeeze (x, i) u = Unsqueeze (s, i) t = MatMul (u, w) },
                else_branch = h () => (float[r,z] e) { e = MatMul (x, w) }> }"""


def model(text: str, **constants: np.ndarray) -> onnx.ModelProto:
    parsed = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 21]> {text}')
    for name, array in constants.items():
        parsed.graph.initializer.append(numpy_helper.from_array(array, name))
    return parsed


def weights(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def mlp() -> onnx.ModelProto:
    return model(MLP, w=weights(16, 8), v=weights(8, 4))


def test_one_plan_holds_code_for_several_levels_and_its_weights_once() -> None:
    levels = ["cpu:x86-64-v2", "cpu:x86-64-v3", "cpu:x86-64-v4"]
    plan = burnish.build(mlp(), shapes={"x": (3, 16)}, target=levels)
    assert [v.target for v in plan.manifest.variants] == levels
    assert len([name for name in plan.blobs if name.startswith("code/")]) == 3


def test_targets_that_come_to_different_outputs_are_a_bug_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    right = build_plan.analyze

    def analyze(*arguments: Any, abilities: Abilities, **options: Any) -> Analysis:
        found = right(*arguments, abilities=abilities, **options)
        renamed = tuple(replace(y, name="other") for y in found.program.outputs)
        return replace(found, program=replace(found.program, outputs=renamed)) if abilities.bf16_products else found

    monkeypatch.setattr(build_plan, "analyze", analyze)
    with pytest.raises(InternalError, match="E311"):
        burnish.build(mlp(), target=["cpu:x86-64-v4", "cpu:x86-64-v4+bf16"])


def test_shapes_that_nobody_gave_are_blamed_before_the_model() -> None:
    product = model("m (float[n,k] x) => (float[n,4] y) { y = MatMul(x, w) }", w=weights(8, 4))
    with pytest.raises(UserError, match="E203") as refused:
        burnish.build(product)
    assert "fixed at 1x1" in refused.value.why and "--shapes" in refused.value.hint
    with pytest.raises(UserError, match="E203") as refused:
        burnish.build(product, shapes={"x": (2, 7)})
    assert "not valid ONNX" in refused.value.why


def test_the_cpu_has_instructions_for_bytes_where_the_model_multiplies_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this_machine, "best_target", lambda: parse_target("cpu:x86-64-v4+vnni+bf16"))
    text = "m (uint8[2,4] x) => (int32[2,4] y) { y = MatMulInteger (x, w) }"
    bytes_too, floats = model(text, w=np.ones((4, 4), np.int8)), mlp()
    for source, wanted in ((bytes_too, "cpu:x86-64-v4+vnni"), (floats, "cpu:x86-64-v4")):
        plan = burnish.build(source, target="cpu,cpu:x86-64-v2")
        assert [v.target for v in plan.manifest.variants] == [wanted, "cpu:x86-64-v2"]
        assert plan.manifest.options["targets"] == [wanted, "cpu:x86-64-v2"]


def test_a_target_named_twice_counts_once() -> None:
    plan = burnish.build(mlp(), shapes={"x": (3, 16)}, target="cpu:x86-64-v3,cpu:x86-64-v2, cpu:x86-64-v3")
    assert [v.target for v in plan.manifest.variants] == ["cpu:x86-64-v3", "cpu:x86-64-v2"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("m (float[2,16] x) => (float[2,16] y) { y = Exp(x) }", "no node could be narrowed"),
        ("m (int64[4] x) => (int64[4] y) { y = Abs(x) }", "no node computes on f32"),
    ],
)
def test_a_precision_that_changes_nothing_is_said_so(text: str, says: str) -> None:
    (note,) = burnish.build(model(text), precision="bf16", target="cpu:x86-64-v3").manifest.notes
    assert "bf16 was asked for" in note and says in note


def test_a_dynamic_input_without_a_shape_is_fixed_at_one_and_the_plan_says_so() -> None:
    plan = burnish.build(mlp())
    assert plan.manifest.inputs[0].shape == (1, 16)
    assert any("no shape was given" in note for note in plan.manifest.notes)


def test_a_profile_keeps_the_dimension_and_its_range() -> None:
    plan = burnish.build(mlp(), profile={"x": ((1, 16), (4, 16), (9, 16))})
    (symbol,) = plan.manifest.symbols
    assert (symbol.name, symbol.min, symbol.opt, symbol.max) == ("n", 1, 4, 9)


def test_a_side_of_an_if_that_the_shapes_rule_out_is_refused_when_a_run_takes_it() -> None:
    choice = model(CHOICE, w=weights(4, 2), i=np.array([0]))
    engine = burnish.load(burnish.build(choice, shapes={"c": (), "x": (3, 4)}), threads=1)
    x = weights(3, 4)
    w = numpy_helper.to_array(choice.graph.initializer[0])
    np.testing.assert_allclose(engine(c=np.array(False), x=x)["y"], x @ w, rtol=1e-5, atol=1e-6)
    with pytest.raises(UserError, match="E515"):
        engine(c=np.array(True), x=x)


def test_explain_gets_the_passes_and_the_time_of_each_stage() -> None:
    lines: list[str] = []
    burnish.build(mlp(), explain=lines.append)
    assert all(f"{stage} " in lines[-1] for stage in ("import", "passes", "infer", "lower", "code", "plan"))


def test_progress_counts_the_stages() -> None:
    calls: list[tuple[str, int, int]] = []
    burnish.build(mlp(), progress=lambda *call: calls.append(call))
    assert [done for _, done, _ in calls] == list(range(6))
    assert {total for *_, total in calls} == {6}


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        ("E601", {"shapes": {"z": (1, 16)}}),
        ("E602", {"shapes": {"x": (1, 17)}}),
        ("E602", {"shapes": {"x": (1, 16, 1)}}),
        ("E602", {"profile": {"x": ((4, 16), (2, 16), (8, 16))}}),
        ("E301", {"target": "cpu:pentium"}),
        ("E602", {"profile": {"x": ((1, 16), (8, 16))}}),
        ("E602", {"profile": {"x": {"min": (1, 16), "opt": (1, 16), "max": (8, 16)}}}),
        ("E602", {"shapes": {"x": "1,16"}}),
        ("E602", {"shapes": {"x": 16}}),
        ("E605", {"shapes": [1, 16]}),
        ("E605", {"profile": "x:1x16"}),
        ("E615", {"shapes": {"x": (1, 16)}, "profile": {"x": ((1, 16), (2, 16), (8, 16))}}),
        ("E605", {"target": 5}),
        ("E605", {"target": []}),
        ("E605", {"target": ["cpu", None]}),
        ("E610", {"precision": 16}),
        ("E610", {"output_precision": ["fp16"]}),
        ("E605", {"allow_fallback": "no"}),
        ("E605", {"explain": True}),
        ("E605", {"explain_precision": "all"}),
        ("E605", {"progress": 1}),
        ("E614", {"workspace": "much"}),
        ("E614", {"workspace": 1.5}),
        ("E614", {"max_memory": -1}),
        ("E320", {"max_memory": 1}),
        ("E320", {"max_memory": "64B"}),
    ],
)
def test_what_cannot_be_built_is_refused(code: str, arguments: dict) -> None:
    with pytest.raises(UserError, match=code):
        burnish.build(mlp(), **arguments)


def test_the_only_refusal_of_a_profile_says_what_it_is_made_of() -> None:
    with pytest.raises(UserError, match=r"E602: the profile of input 'x' is 2 shapes, not \(min, opt, max\)"):
        burnish.build(mlp(), profile={"x": ((1, 16), (8, 16))})


def test_shapes_and_sizes_are_taken_in_the_command_lines_form() -> None:
    net = mlp()
    text = burnish.build(net, shapes={"x": "3x16"}, workspace="1GiB", max_memory="1GiB")
    numbers = burnish.build(net, shapes={"x": (3, 16)}, workspace=1 << 30, max_memory=1 << 30)
    assert text.to_bytes() == numbers.to_bytes()
    ranges = burnish.build(net, profile={"x": ("1x16", "2x16", "4x16")})
    assert ranges.to_bytes() == burnish.build(net, profile={"x": ((1, 16), (2, 16), (4, 16))}).to_bytes()


def test_a_misspelt_option_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="wrokspace"):
        burnish.build(mlp(), wrokspace=1)  # type: ignore[call-arg]


LONG_SUM = "m (float[4,4096] x) => (float[4,16] y) { y = MatMul(x, w) }"


def test_a_gpus_tactic_that_needs_more_than_the_workspace_is_left_out_with_a_note() -> None:
    """A long sum is split: its parts lie in memory, though the plan has no temporaries."""
    product = model(LONG_SUM, w=weights(4096, 16))
    free = burnish.build(product, target="cuda:sm_90a")
    bound = burnish.build(product, target="cuda:sm_90a", workspace=100)
    assert free.manifest.variants[0].arena_bytes > 100 >= bound.manifest.variants[0].arena_bytes
    assert free.manifest.notes == () and "and the workspace is 100" in bound.manifest.notes[0]


def test_all_memory_of_a_plan_counts_towards_the_limit() -> None:
    """Weights, what a GPU's kernels keep for themselves, inputs and outputs: to the byte."""
    product = model(LONG_SUM, w=weights(4096, 16))
    plan = burnish.build(product, target="cuda:sm_90a")
    (variant,) = plan.manifest.variants
    stored = sum(len(plan.blobs[name]) for name in plan.blobs if name.startswith("weights/"))
    needed = stored + variant.arena_bytes + 4 * (4 * 4096 + 4 * 16)
    with pytest.raises(UserError, match=r"E320[\s\S]*temporaries 0[\s\S]*split sums"):
        burnish.build(product, target="cuda:sm_90a", max_memory=needed - 1)
    assert burnish.build(product, target="cuda:sm_90a", max_memory=needed).manifest.variants == (variant,)


def test_one_symbol_cannot_have_two_ranges() -> None:
    text = "m (float[n,4] x, float[n,4] z) => (float[n,4] y) { y = Add(x, z) }"
    profile = {"x": ((1, 4), (2, 4), (3, 4)), "z": ((1, 4), (2, 4), (4, 4))}
    with pytest.raises(UserError, match="E603"):
        burnish.build(model(text), profile=profile)


def test_a_batch_range_is_for_the_first_axis_of_inputs_that_nothing_else_names() -> None:
    for batch in ("1:4:8", (1, 4, 8), [np.int64(1), 4, 8]):
        (symbol,) = burnish.build(mlp(), batch=batch).manifest.symbols
        assert (symbol.min, symbol.opt, symbol.max) == (1, 4, 8)
    assert burnish.build(mlp(), batch="1:4:8", shapes={"x": (3, 16)}).manifest.inputs[0].shape == (3, 16)
    two = model("m (float[n,4] x, float[n,k] s) => (float[n,k] y) { y = Div (s, t) }", t=weights(1))
    plan = burnish.build(two, batch="1:2:3", profile={"s": ((1, 2), (2, 2), (3, 2))})
    assert [i.shape[1] for i in plan.manifest.inputs] == [4, 2]


def test_a_batch_for_fixed_inputs_changes_nothing_and_a_note_says_so() -> None:
    fixed = burnish.build(model("m (float[3,4] x) => (float[3,4] y) { y = Relu (x) }"), batch="1:2:8")
    assert fixed.manifest.inputs[0].shape == (3, 4)
    assert any("it changes nothing" in note for note in fixed.manifest.notes)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ("float[n,k] x, float[n,2] s", r"E627.*axis 1 of input 'x'"),
        ("float[n,4] x, float[3] s", r"E627.*axis 0 of input 'x'(.|\n)*input 's' has none"),
    ],
)
def test_an_axis_that_is_no_batch_needs_its_sizes(inputs: str, words: str) -> None:
    graph = f"m ({inputs}) => (float[a,b] y, float[c] z) {{ y = Relu (x) z = Relu (s) }}"
    with pytest.raises(UserError, match=words):
        burnish.build(model(graph.replace("float[c]", "float[c,2]") if "n,2" in inputs else graph), batch="1:2:4")
