"""prune.py: what pruning leaves of a trained model, judged by ONNX Runtime on samples of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from burnish.errors import UserError
from burnish.sparsity import ON_GPUS, find_sparsity, prune

EXAMPLES = Path(__file__).parents[2] / "examples"
MODEL = EXAMPLES / "digits.onnx"


def samples() -> tuple[np.ndarray, np.ndarray]:
    """Some to prune with, others to judge with."""
    held = np.load(EXAMPLES / "digits_samples.npz")
    images = held[next(name for name in held if held[name].dtype == np.float32)]
    return images[::2], images[1::2]


def answers(model: onnx.ModelProto | Path, images: np.ndarray) -> np.ndarray:
    content = model.read_bytes() if isinstance(model, Path) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: image[None]})[0] for image in images])


def distance(ours: np.ndarray, exact: np.ndarray) -> float:
    return float(np.linalg.norm(ours - exact) / np.linalg.norm(exact))


@pytest.mark.parametrize("pattern, most", [("2:4", 0.35), ("channels", 0.7), ("unstructured", 0.6)])
def test_samples_make_pruning_lose_less_on_other_samples(pattern: str, most: float) -> None:
    given, others = samples()
    exact = answers(MODEL, others)
    fitted = distance(answers(prune(MODEL, pattern, data=given).model, others), exact)
    plain = distance(answers(prune(MODEL, pattern).model, others), exact)
    assert fitted < most and fitted < 0.75 * plain, (fitted, plain)


def test_two_of_four_is_what_inspect_then_finds() -> None:
    found = find_sparsity(prune(MODEL, "2:4").model)
    assert [layer.groups for layer in found.layers] == [None, *[1.0] * (len(found.layers) - 1)]


def test_channels_leave_the_model() -> None:
    before, after = find_sparsity(MODEL), find_sparsity(prune(MODEL, "channels").model)
    assert after.weights < 0.3 * before.weights and after.layers[-1].shape == (10, 32)


def test_a_share_is_rounded_so_that_vectors_are_full() -> None:
    assert [layer.shape[0] % 8 for layer in find_sparsity(prune(MODEL, "channels", share=0.4).model).layers[:-1]] == [
        0
    ] * 6


def test_layers_that_are_kept_keep_their_weights() -> None:
    done = prune(MODEL, "2:4", keep=["/block*"])
    told = dict(done.layers)
    assert told["/block1/norm1/BatchNormalization"] == "kept as asked" and "50%" in told["/classifier/Gemm"]
    assert [layer.zeros for layer in find_sparsity(done.model).layers] == [0.0] * 6 + [0.5]


REFUSED = {
    "another pattern": ({"pattern": "3:4"}, "E770"),
    "a share of all": ({"pattern": "channels", "share": 1.0}, "E770"),
    "a share of nothing": ({"pattern": "unstructured", "share": 0}, "E770"),
    "a share of two of four": ({"pattern": "2:4", "share": 0.7}, "E770"),
    "all layers kept": ({"pattern": "2:4", "keep": ["*"]}, "E771"),
    "no samples": ({"pattern": "2:4", "data": []}, "E721"),
}


@pytest.mark.parametrize("options, code", REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_done_is_refused(options, code: str) -> None:
    with pytest.raises(UserError) as caught:
        prune(MODEL, **options)
    assert caught.value.code == code


@pytest.mark.parametrize("pattern", ["2:4", "channels"])
def test_samples_with_nan_or_inf_are_left_out_and_told(pattern: str) -> None:
    given, others = samples()
    spoilt = np.concatenate([given, given[:2]])
    spoilt[-2, 0, 3, 3], spoilt[-1, 0, 3, 3] = np.nan, np.inf
    clean, ours = prune(MODEL, pattern, data=given), prune(MODEL, pattern, data=spoilt)
    np.testing.assert_array_equal(answers(ours.model, others), answers(clean.model, others))
    assert "2 samples hold NaN or Inf, or make them in a layer; they were left out" in ours.notes
    with pytest.raises(UserError) as caught:
        prune(MODEL, pattern, data=spoilt[-2:])
    assert caught.value.code == "E721"


def test_the_file_holds_no_weights_that_nothing_reads() -> None:
    ours = prune(MODEL, "channels").model
    read = {name for node in ours.graph.node for name in node.input}
    assert {tensor.name for tensor in ours.graph.initializer} <= read
    assert ours.ByteSize() < MODEL.stat().st_size / 2


def test_a_model_of_products_without_whole_channels_says_what_it_lacks() -> None:
    weights = ",".join(["1"] * 64)
    graph = f"agraph (float[N,8] x) => (float[N,8] y) <float[8,8] w = {{{weights}}}> {{ y = MatMul(x, w) }}"
    text = f'<ir_version: 8, opset_import: ["" : 17]> {graph}'
    with pytest.raises(UserError, match="no channels that products") as caught:
        prune(onnx.parser.parse_model(text), "channels")
    assert caught.value.code == "E771"


def test_what_a_model_loses_and_what_fits_nothing_is_told() -> None:
    weights = ",".join(["1"] * 64)
    graph = f"agraph (float[N,8] x) => (float[N,8] y) <float[8,8] w = {{{weights}}}> {{ y = MatMul(x, w) }}"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {graph}')
    notes = prune(model, "2:4", keep=["nosuch"]).notes
    assert notes == ("no layer is named 'nosuch', which was to be kept", ON_GPUS)


def test_sizes_that_are_open_stay_open_unless_a_shape_is_given() -> None:
    given, others = samples()
    pruned = prune(MODEL, "channels", data=given).model
    session = onnxruntime.InferenceSession(pruned.SerializeToString())
    together = session.run(None, {"image": others})[0]  # batches of 1 gave the fitted weights
    apart = np.concatenate([session.run(None, {"image": image[None]})[0] for image in others])
    assert len(together) == len(others) > 1 and np.allclose(together, apart, atol=1e-4)
    fixed = prune(MODEL, "2:4", shapes={"image": (2, 1, 8, 8)}).model.graph.input[0].type.tensor_type.shape
    assert [size.dim_value for size in fixed.dim] == [2, 1, 8, 8]


def test_a_model_that_is_too_large_in_all_open_sizes_is_fixed_and_says_so() -> None:
    weights = ",".join(["1"] * 64)
    graph = f"g (float[A,B,C,D,8] x) => (float[A,B,C,D,8] y) <float[8,8] w = {{{weights}}}> {{ y = MatMul(x, w) }}"
    found = prune(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> {graph}'), "2:4")
    assert found.notes == ("input 'x' is dynamic and no shape was given: fixed at 1x1x1x1x8", ON_GPUS)
