"""fallback.py: what steps on the reference kernel cost, as a build says it."""

from __future__ import annotations

import onnx
import onnx.parser
import pytest

import burnish
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.targets.fallback import Fallback, fallbacks
from tests.end_to_end.shared_models import model_path
from tests.targets.recurrent_model import HIDDEN, STEPS, WIDTH, recurrent_model

GATES = 4 * HIDDEN


def found(plan: Plan) -> list[tuple[Fallback, ...]]:
    return [fallbacks(variant, plan.manifest.symbols) for variant in plan.manifest.variants]


def test_a_recurrence_on_a_gpu_costs_its_activations_and_a_wait_for_each() -> None:
    plan = burnish.build(recurrent_model(), target="cuda:sm_90a", allow_fallback=True)
    ((lstm,),) = found(plan)
    assert (lstm.node, lstm.op_type, lstm.copies) == ("remember", "LSTM", 3)
    assert lstm.bytes_to_host == 4 * STEPS * 3 * WIDTH  # the weights are there already
    assert lstm.bytes_back == 4 * (STEPS * 3 * HIDDEN + 3 * HIDDEN)
    assert lstm.host_flops == 2 * STEPS * 3 * GATES * (WIDTH + HIDDEN)
    assert lstm.crossing_us == pytest.approx(3 * 10 + (lstm.bytes_to_host + lstm.bytes_back) / 50e3, abs=0.1)
    (note,) = plan.manifest.notes
    assert "LSTM 'remember' runs on the reference kernel" in note and "copies 360 bytes to the host" in note
    assert "about 30 us (3 copies, 50 GB/s)" in note and "4,800 flops or more" in note


def test_a_trained_recurrent_model_lists_its_lstm_among_the_sides_of_an_if() -> None:
    shapes = {"input": (1, 576), "state": (2, 1, 128)}
    plan = burnish.build(model_path("silero_vad_v5"), shapes=shapes, target="cuda:sm_90a", allow_fallback=True)
    ((lstm,),) = found(plan)
    assert lstm.op_type == "LSTM" and lstm.node.endswith("decoder/rnn/LSTM")
    assert (lstm.copies, lstm.bytes_to_host, lstm.bytes_back) == (6, 3 * 4 * 128, 3 * 4 * 128)
    assert lstm.host_flops == 2 * 2 * 512 * 128 and lstm.crossing_us == pytest.approx(60, abs=0.2)


def test_large_tensors_cost_what_the_link_takes_at_the_opt_shape() -> None:
    sizes = [(STEPS, n, WIDTH) for n in (1, 100_000, 200_000)]
    plan = burnish.build(
        recurrent_model("n"),
        profile={"x": (sizes[0], sizes[1], sizes[2])},
        target=["cuda:sm_75", "cuda:sm_90a"],
        allow_fallback=True,
    )
    (old,), (new,) = found(plan)
    assert old.bytes_to_host == new.bytes_to_host == 4 * STEPS * 100_000 * WIDTH
    assert old.crossing_us == pytest.approx(30 + (old.bytes_to_host + old.bytes_back) / 12.6e3, abs=0.1)
    assert new.crossing_us == pytest.approx(30 + (new.bytes_to_host + new.bytes_back) / 50e3, abs=0.1)
    assert len(plan.manifest.notes) == 2 and plan.manifest.notes[0].startswith("cuda:sm_75: LSTM 'remember'")


def test_on_a_cpu_nothing_crosses() -> None:
    text = '<ir_version: 10, opset_import: ["" : 21]> m (float[7,3,3] x) => (float[7] y) { [odd] y = Det (x) }'
    plan = burnish.build(onnx.parser.parse_model(text), target="cpu:x86-64-v2")
    assert found(plan) == [(Fallback("odd", "Det", 7),)]
    (note,) = plan.manifest.notes
    assert note.startswith("Det 'odd' runs on the reference kernel") and "copies" not in note
    assert found(burnish.build(recurrent_model(), target="cpu:x86-64-v2")) == [()]


def test_both_sides_of_a_branch_are_listed() -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]> m (bool c, float[7,3,3] x) => (float[7] y) {
        y = If (c) <then_branch = g () => (float[7] t) { [det] t = Det (x) },
                    else_branch = h () => (float[7] e) { [det2] d = Det (x) e = Neg (d) }> }"""
    plan = burnish.build(onnx.parser.parse_model(text), target="cuda:sm_90a", allow_fallback=True)
    ((one, two),) = found(plan)
    assert (one.node, two.node) == ("det", "det2") and one.copies == two.copies == 2


def test_what_is_refused_is_named_node_by_node_with_the_way_out() -> None:
    results = ", ".join(f"float[7] y{n}" for n in range(12))
    nodes = " ".join(f"[det{n}] y{n} = Det (x{n})" for n in range(12))
    inputs = ", ".join(f"float[7,3,3] x{n}" for n in range(12))
    text = f'<ir_version: 10, opset_import: ["" : 21]> m ({inputs}) => ({results}) {{ {nodes} }}'
    with pytest.raises(UserError, match="E213") as refused:
        burnish.build(onnx.parser.parse_model(text), target="cuda:sm_90a")
    assert "12 nodes have no kernel for cuda:sm_90a" in refused.value.what
    assert all(f"Det 'det{n}': " in refused.value.why for n in range(12))
    assert "--allow-fallback" in refused.value.hint
