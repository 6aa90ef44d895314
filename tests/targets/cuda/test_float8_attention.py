"""Attention of float8 codes for a GPU, in Triton's interpreter, and the same graph on a CPU. Oracle: onnx.reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import burnish
from burnish.building.analyze import analyze
from burnish.errors import UserError
from burnish.kernels.task import AttentionTask, Contraction, each_launch
from burnish.precision.precision import parse_precision
from burnish.target import parse_target
from burnish.targets import compiler_of
from tests.passes.quantised.float8_attention import Layer, model_of
from tests.targets.cuda.whole_program import H200, run_model

Array = np.ndarray[Any, Any]


def kernels_of(model: onnx.ModelProto, precision: str = "fp32") -> list[Any]:
    found = analyze(model, abilities=compiler_of(H200).abilities, precision=parse_precision(precision, None))
    assert not found.fallbacks
    return [launch.kernel for launch in each_launch(found.program.steps)]


def reference(model: onnx.ModelProto, feeds: dict[str, Array]) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(ReferenceEvaluator(model).run(None, feeds)[0])


LAYERS = {
    "as TensorRT has it": Layer(),
    "a softmax of a coarser scale": Layer(weights=1 / 240),
    "a softmax beyond its largest code": Layer(weights=0.3 / 448),
    "a softmax in f32": Layer(weights=None),
    "a softmax in f32, f32 out": Layer(weights=None, out=False, mask=""),
    "f32 out": Layer(out=False),
    "the scale on the queries": Layer(scaled=True, out=False),
    "causal": Layer(mask="causal", out=False),
    "heads of 40, 19 keys": Layer(size=40, length=19, out=False),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_gives_the_graphs_numbers(name: str):
    model, feeds = model_of(LAYERS[name])
    want, found = reference(model, feeds), run_model(model, feeds)["y"]
    away = np.abs(found - want) / np.abs(want).max()
    # sums are f32 in both. A number next to a tie may become the next code, which changes a row of the next product
    # by a step of 1/8 of a number, one of 64 that are added
    assert np.median(away) < 1e-7 and (away > 1e-5).mean() < 0.15 and away.max() < 0.03


def test_attention_and_its_products_are_four_launches():
    kernels = kernels_of(model_of(Layer())[0])
    assert [type(k).__name__ for k in kernels] == ["Loops", "Contraction", "AttentionTask", "Contraction"]
    (attention,) = [k for k in kernels if isinstance(k, AttentionTask)]
    assert [s.dtype.value for s in attention.slots] == ["f8e4m3"] * 3 + ["f32", "f8e4m3"]
    assert kernels[1].n.extent == 3 * 32, "queries, keys and values are one product"


def test_beside_fp16_a_softmax_that_is_no_codes_is_multiplied_in_f16():
    layer = Layer(weights=None, out=False)
    model, feeds = model_of(layer)
    (attention,) = [k for k in kernels_of(model, "fp16") if isinstance(k, AttentionTask)]
    assert attention.codes is not None and attention.codes.dtype.value == "f16"
    assert attention.slots[-1].dtype.value == "f16"
    want = reference(model, feeds)
    np.testing.assert_allclose(run_model(model, feeds, precision="fp16")["y"], want, atol=2e-3 * np.abs(want).max())


def test_products_of_float8_merge_for_an_attention_of_f16_too():
    layer = Layer(weights=None, out=False)
    model, _ = model_of(layer)
    graph = model.graph
    for name in "qkv":  # no codes between the products and the attention
        (moved,) = [n for n in graph.node if n.output[0] == f"{name}_t"]
        for node in graph.node:
            node.input[:] = [moved.output[0] if i == f"{name}_d" else i for i in node.input]
    kernels = kernels_of(model, "fp16")
    products = [k for k in kernels if isinstance(k, Contraction)]
    assert len(products) == 1 and products[0].n.extent == 3 * 32
    assert any(isinstance(k, AttentionTask) and k.codes is None for k in kernels)


def test_inputs_of_other_scales_do_not_merge():
    kernels = kernels_of(model_of(Layer(inputs=(0.02, 0.03, 0.02)))[0])
    assert [k.n.extent for k in kernels if isinstance(k, Contraction)][:2] in ([32, 64], [64, 32])


def test_a_cpu_computes_the_same_graph_in_f32():
    model, feeds = model_of(Layer(length=8))
    plan = burnish.build(model, target="cpu:x86-64-v3")
    with burnish.load(plan, device="cpu") as engine:
        found = np.array(engine(**feeds)["y"])
    want = reference(model, feeds)
    away = np.abs(found - want) / np.abs(want).max()
    assert np.median(away) < 1e-7 and away.max() < 0.03


def test_chips_before_float8_refuse_and_name_it():
    model, _ = model_of(Layer(length=8))
    with pytest.raises(UserError, match="QuantizeLinear") as refused:
        burnish.build(model, target="cuda:sm_80")
    assert refused.value.code == "E213" and "allow-fallback" in str(refused.value)
    target = parse_target("cuda:sm_89")
    found = analyze(model, abilities=compiler_of(target).abilities)
    assert any(isinstance(x.kernel, AttentionTask) for x in each_launch(found.program.steps))
