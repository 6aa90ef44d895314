"""upgrade/: each old form means the same in the newest opset. Oracle: ONNX Runtime on the old file."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import burnish
from burnish.errors import UserError
from burnish.importers import load_model
from burnish.importers.upgrade import ADAPTERS, TARGET_OPSET
from tests.importers.build import answers, assert_import_keeps_answers, parse, random

X = "float[2,4,6,6] x"
OLD_FORMS = {
    "clip_both": (7, f"({X}) => (float[2,4,6,6] y) {{ y = Clip <min = -0.5, max = 0.25> (x) }}"),
    "clip_min": (10, f"({X}) => (float[2,4,6,6] y) {{ y = Clip <min = 0.0> (x) }}"),
    "clip_none": (7, f"({X}) => (float[2,4,6,6] y) {{ y = Clip (x) }}"),
    "pad": (7, f"({X}) => (float[2,5,8,9] y) {{ y = Pad <pads = [0,1,0,1,0,0,2,2], value = 1.5> (x) }}"),
    "pad_reflect": (10, f'({X}) => (float[a,b,c,d] y) {{ y = Pad <mode = "reflect", pads = [0,0,1,1,0,0,2,2]> (x) }}'),
    "slice": (7, f"({X}) => (float[a,b,c,d] y) {{ y = Slice <axes = [2,1], ends = [-1,3], starts = [1,0]> (x) }}"),
    "slice_default_axes": (9, f"({X}) => (float[a,b,c,d] y) {{ y = Slice <ends = [1,3], starts = [0,1]> (x) }}"),
    "split": (7, f"({X}) => (float[a,b,c,d] y, float[a,e,c,d] z) {{ y, z = Split <axis = 1, split = [1,3]> (x) }}"),
    "split_even": (11, f"({X}) => (float[a,b,c,d] y, float[a,e,c,d] z) {{ y, z = Split <axis = 2> (x) }}"),
    "split_even_13": (13, f"({X}) => (float[a,b,c,d] y, float[a,e,c,d] z) {{ y, z = Split <axis = 2> (x) }}"),
    "squeeze": (11, "(float[1,3,1] x) => (float[3,1] y) { y = Squeeze <axes = [0]> (x) }"),
    "squeeze_all": (7, "(float[1,3,1] x) => (float[3] y) { y = Squeeze (x) }"),
    "unsqueeze": (7, "(float[3,2] x) => (float[1,3,2,1] y) { y = Unsqueeze <axes = [0,3]> (x) }"),
    "reduce_sum": (11, f"({X}) => (float[2,6,6] y) {{ y = ReduceSum <axes = [1], keepdims = 0> (x) }}"),
    "reduce_mean": (17, f"({X}) => (float[a,b,c,d] y) {{ y = ReduceMean <axes = [2,3]> (x) }}"),
    "reduce_max_all": (7, f"({X}) => (float y) {{ y = ReduceMax <keepdims = 0> (x) }}"),
    "reduce_l2": (13, f"({X}) => (float[a,b,c,d] y) {{ y = ReduceL2 <axes = [-1]> (x) }}"),
    "topk": (7, f"({X}) => (float[a,b,c,d] y, int64[a,b,c,d] i) {{ y, i = TopK <k = 2, axis = 1> (x) }}"),
    "topk_10": (10, f"({X}) => (float[a,b,c,d] y) <int64[1] k = {{2}}> {{ y, i = TopK (x, k) }}"),
    "dropout": (7, f"({X}) => (float[2,4,6,6] y) {{ y = Dropout <ratio = 0.25> (x) }}"),
    "dropout_10": (10, f"({X}) => (float[2,4,6,6] y) {{ y, m = Dropout <ratio = 0.75> (x) }}"),
    "softmax_default_axis": (7, f"({X}) => (float[2,4,6,6] y) {{ y = Softmax (x) }}"),
    "softmax_axis_2": (11, f"({X}) => (float[2,4,6,6] y) {{ y = Softmax <axis = 2> (x) }}"),
    "softmax_last": (11, f"({X}) => (float[2,4,6,6] y) {{ y = Softmax <axis = -1> (x) }}"),
    "log_softmax": (12, f"({X}) => (float[2,4,6,6] y) {{ y = LogSoftmax <axis = 1> (x) }}"),
    "hardmax": (12, f"({X}) => (float[2,4,6,6] y) {{ y = Hardmax <axis = 1> (x) }}"),
    "softmax_symbolic": (11, "(float[n,4,m] x) => (float[n,4,m] y) { y = Softmax <axis = 1> (x) }"),
    "upsample_attribute": (
        7, f'({X}) => (float[a,b,c,d] y) {{ y = Upsample <mode = "nearest", scales = [1.0, 1.0, 2.0, 3.0]> (x) }}',
    ),
    "upsample_linear": (
        9,
        f"({X}) => (float[a,b,c,d] y) <float[4] s = {{1.0, 1.0, 2.0, 2.0}}> "
        '{ y = Upsample <mode = "linear"> (x, s) }',
    ),
    "resize_nearest": (
        10, f"({X}) => (float[a,b,c,d] y) <float[4] s = {{1.0, 1.0, 1.5, 2.5}}> {{ y = Resize (x, s) }}",
    ),
    "resize_nearest_smaller": (
        10, f"({X}) => (float[a,b,c,d] y) <float[4] s = {{1.0, 1.0, 0.6, 0.5}}> {{ y = Resize (x, s) }}",
    ),
    "resize_linear": (
        10,
        f'({X}) => (float[a,b,c,d] y) <float[4] s = {{1.0, 1.0, 1.5, 0.5}}> {{ y = Resize <mode = "linear"> (x, s) }}',
    ),
    "scatter": (
        9, "(float[3,4] x, float[2,2] u) => (float[3,4] y) <int64[2,2] i = {0,1,2,3}> "
        "{ y = Scatter <axis = 1> (x, i, u) }",
    ),
    "grid_sample": (
        16, "(float[1,2,4,4] x, float[1,3,3,2] g) => (float[a,b,c,d] y) { y = GridSample <mode = \"bicubic\"> (x, g) }",
    ),
    "roi_align": (
        10,
        "(float[1,2,8,8] x) => (float[a,b,c,d] y) <float[1,4] r = {0.0, 1.0, 5.0, 6.0}, int64[1] i = {0}> "
        "{ y = RoiAlign <output_height = 3, output_width = 3> (x, r, i) }",
    ),
    "batch_normalization": (
        7,
        f"({X}, float[4] s, float[4] b, float[4] m) => (float[2,4,6,6] y) <float[4] v = {{0.5, 1.0, 2.0, 3.0}}> "
        "{ y = BatchNormalization <epsilon = 0.01> (x, s, b, m, v) }",
    ),
    "scan_9": (
        9,
        "(float[2] s, float[3,2] x) => (float[2] f, float[3,2] y) { f, y = Scan <num_scan_inputs = 1, "
        "body = g (float[2] a, float[2] b) => (float[2] c, float[2] d) { c = Add(a, b) d = Identity(c) }> (s, x) }",
    ),
    "if_with_old_forms_inside": (
        10,
        "(bool c, float[2,4] x) => (float[2,4] y) { y = If (c) <"
        "then_branch = g1 () => (float[2,4] t) { t = Softmax <axis = 0> (x) }, "
        "else_branch = g2 () => (float[2,4] e) { e = Clip <max = 0.0> (x) }> }",
    ),
}  # fmt: skip


def feeds_for(proto: onnx.ModelProto) -> dict[str, np.ndarray[Any, Any]]:
    feeds: dict[str, np.ndarray[Any, Any]] = {}
    for i, value in enumerate(proto.graph.input):
        shape = [d.dim_value or 3 for d in value.type.tensor_type.shape.dim]
        kind = value.type.tensor_type.elem_type
        feeds[value.name] = np.array(True) if kind == onnx.TensorProto.BOOL else random(*shape, seed=i)
    return feeds


@pytest.mark.parametrize("case", OLD_FORMS)
def test_an_old_form_gives_the_same_answer_in_the_newest_opset(case: str):
    opset, text = OLD_FORMS[case]
    proto = parse(opset, f"agraph {text}", ir_version=4)
    imported = load_model(proto)
    assert imported.model.graph.opset_imports[""] == TARGET_OPSET
    assert_import_keeps_answers(proto, imported, feeds_for(proto))


PAD = "Pad <pads = [0,0,0,0], value = 0.5>"
BEHIND = {
    "a node": f"t = Tanh (x) y = {PAD} (t)",
    "a chain of views": f"s = Shape (x) r = Reshape (x, s) y = {PAD} (r)",
    "a branch": f"""y = If (c) <then_branch = g () => (double[2,3] t) {{ a = Tanh (x) t = {PAD} (a) }},
                                else_branch = h () => (double[2,3] e) {{ e = Abs (x) }}>""",
    "a loop": f"""n = Constant <value = int64 {{2}}> ()
                  y = Loop (n, c, x) <body = g (int64 i, bool d, v) => (bool o, w) {{
                      o = Identity (d) a = Sin (v) w = {PAD} (a) }}>""",
}


@pytest.mark.parametrize("case", BEHIND)
def test_types_that_the_file_does_not_say_follow_from_its_inputs(case: str):
    proto = parse(10, f"agraph (double[2,3] x, bool c) => (double[2,3] y) {{ {BEHIND[case]} k = Not (c) }}", 5)
    assert not proto.graph.value_info
    feeds = {"x": random(2, 3).astype(np.float64), "c": np.array(True)}
    imported = load_model(proto)
    assert_import_keeps_answers(proto, imported, feeds)


def test_types_are_known_inside_functions_of_an_older_opset():
    function = """<domain: "local", opset_import: ["" : 9]> soften (a) => (b) {
        t = Tanh (a) b = Clip <min = -0.5, max = 0.25> (t) }"""
    text = "agraph (double[3] x) => (double[3] y) { h = Neg (x) y = local.soften (h) }"
    proto = parse(17, text, 8, function, ', "local" : 1')
    x = random(3).astype(np.float64)
    assert_import_keeps_answers(proto, load_model(proto), {"x": x}, [np.clip(np.tanh(-x), -0.5, 0.25)])


def test_batch_normalization_per_activation_becomes_arithmetic():
    text = (
        "agraph (float[2,3,2] x, float[3,2] s, float[3,2] b, float[3,2] m) => (float[2,3,2] y) "
        "<float[3,2] v = {0.5, 1.0, 2.0, 3.0, 4.0, 5.0}> "
        "{ y = BatchNormalization <spatial = 0, epsilon = 0.01> (x, s, b, m, v) }"
    )
    proto = parse(7, text)
    feeds = feeds_for(proto)
    v = np.array([[0.5, 1.0], [2.0, 3.0], [4.0, 5.0]], np.float32)
    want = feeds["s"] * (feeds["x"] - feeds["m"]) / np.sqrt(v + 0.01) + feeds["b"]
    imported = load_model(proto)
    assert "BatchNormalization" not in [n.op_type for n in imported.model.graph]
    assert_import_keeps_answers(proto, imported, feeds, [want.astype(np.float32)])


def test_group_normalization_repeats_its_scales_per_channel():
    for channels in ("4", "c"):
        text = (
            f"agraph (float[2,{channels},3] x, float[2] s, float[2] b) => (float[2,{channels},3] y) "
            "{ y = GroupNormalization <num_groups = 2> (x, s, b) }"
        )
        proto = parse(18, text)
        x, s, b = random(2, 4, 3), random(2, seed=1), random(2, seed=2)
        grouped = x.reshape(2, 2, -1).astype(np.float64)
        centred = grouped - grouped.mean(-1, keepdims=True)
        normal = centred / np.sqrt(grouped.var(-1, keepdims=True) + 1e-5)
        want = (normal * s[None, :, None] + b[None, :, None]).reshape(x.shape).astype(np.float32)
        assert_import_keeps_answers(proto, load_model(proto), {"x": x, "s": s, "b": b}, [want])


def test_dft_axis_becomes_an_input_with_the_old_default():
    proto = parse(17, "agraph (float[1,8,3,1] x) => (float[1,8,3,2] y) { y = DFT (x) }")
    x = random(1, 8, 3, 1)
    spectrum = np.fft.fft(x[..., 0], axis=1)
    want = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32)
    assert_import_keeps_answers(proto, load_model(proto), {"x": x}, [want])


def test_scan_of_opset_8_runs_over_its_batch():
    text = (
        "agraph (float[2,2] s, float[2,3,2] x) => (float[2,2] f, float[2,3,2] y) { f, y = Scan <num_scan_inputs = 1, "
        'body = g (float[2] a, float[2] b) => (float[2] c, float[2] d) { c = Add(a, b) d = Identity(c) }> ("", s, x) }'
    )
    proto = parse(8, text, ir_version=3)
    s, x = random(2, 2), random(2, 3, 2, seed=1)
    sums = s[:, None] + np.cumsum(x, axis=1)
    assert_import_keeps_answers(proto, load_model(proto), {"s": s, "x": x}, [sums[:, -1], sums])


def test_scan_of_opset_8_with_sequence_lengths_is_refused():
    text = (
        "agraph (int64[2] l, float[2,2] s, float[2,3,2] x) => (float[2,2] f) { f = Scan <num_scan_inputs = 1, "
        "body = g (float[2] a, float[2] b) => (float[2] c) { c = Add(a, b) }> (l, s, x) }"
    )
    with pytest.raises(UserError, match=r"E130: Scan of opset 8 with sequence lengths"):
        load_model(parse(8, text, ir_version=3))


def test_batch_normalization_in_training_form_is_refused_only_where_its_statistics_are_used():
    inputs = "float[2,3] x, float[3] s, float[3] b, float[3] m, float[3] v"
    used = f"agraph ({inputs}) => (float[2,3] y, float[3] q) {{ y, q, r, t, u = BatchNormalization (x, s, b, m, v) }}"
    with pytest.raises(UserError, match=r"E130: BatchNormalization in training form"):
        load_model(parse(9, used))
    unused = f"agraph ({inputs}) => (float[2,3] y) {{ y, q, r, t, u = BatchNormalization (x, s, b, m, v) }}"
    assert len(load_model(parse(9, unused)).model.graph.node(0).outputs) == 1


def test_an_opset_before_7_goes_through_the_converter_of_onnx():
    proto = parse(6, "agraph (float[2,3] x) => (float[2,3] y) { y = Relu (x) }", ir_version=3)
    assert_import_keeps_answers(proto, load_model(proto), {"x": random(2, 3)})


def test_prelu_of_opset_6_has_one_slope_per_channel():
    proto = parse(6, "agraph (float[2,3,4] x, float[3] s) => (float[2,3,4] y) { y = PRelu (x, s) }", ir_version=3)
    x, slope = random(2, 3, 4), random(3, seed=1)
    want = np.where(x < 0, x * slope[:, None], x)
    assert_import_keeps_answers(proto, load_model(proto), {"x": x, "s": slope}, [want])


def test_every_adapter_of_the_table_is_reached_by_a_case_above():
    tested = {word for _, text in OLD_FORMS.values() for word in ADAPTERS if f"{word} " in text or f"{word}(" in text}
    elsewhere = {
        "AveragePool",
        "GroupNormalization",
        "DFT",
        "Erf",
        "ReduceLogSum",
        "ReduceLogSumExp",
        "RotaryEmbedding",
    }
    same_adapter = {"ReduceL1", "ReduceMin", "ReduceProd", "ReduceSumSquare"}
    assert set(ADAPTERS) == tested | elsewhere | same_adapter


@pytest.mark.parametrize("opset", [13, 18])
@pytest.mark.parametrize("op_type", ["ReduceLogSum", "ReduceLogSumExp"])
def test_logarithms_of_sums_of_integers_are_computed_in_floats_and_cut_off(op_type: str, opset: int):
    proto = parse(
        opset,
        f"agraph (int32[2,3] x) => (int32[2,1] y) {{ y = {op_type} <AXES> (x) }}".replace(
            "<AXES> (x)", "<axes = [1]> (x)" if opset == 13 else "(x, a)"
        ).replace("y) {", "y) <int64[1] a = {1}> {" if opset == 18 else "y) {"),
    )
    x = np.array([[1, 2, 3], [4, 5, 6]], np.int32)
    assert_import_keeps_answers(proto, load_model(proto), {"x": x})


def test_erf_of_integers_of_opset_9_is_cut_off():
    proto = parse(9, "agraph (int64[3] x) => (int64[3] y) { y = Erf (x) }", ir_version=4)
    assert [n.op_type for n in load_model(proto).model.graph] == ["Cast", "Erf", "Cast"]
    with burnish.load(burnish.build(proto), threads=1) as engine:  # ONNX Runtime has no Erf of f64
        assert engine(x=np.array([-9, 0, 9]))["y"].tolist() == [-1, 0, 1]


def test_a_rotary_embedding_of_three_axes_says_its_heads():
    text = (
        "agraph (float[1,2,8] x, float[4,2] c, int64[1,2] p) => (float[1,2,8] y) { y = RotaryEmbedding (x, c, c, p) }"
    )
    with pytest.raises(UserError, match=r"E115(.|\n)*lacks its attribute 'num_heads'"):
        load_model(parse(23, text, 11))


def test_the_newest_opset_is_left_as_it_is():
    proto = parse(TARGET_OPSET, "agraph (float[2,3] x) => (float[2,3] y) { [n] y = Softmax <axis = 0> (x) }")
    imported = load_model(proto)
    assert [n.op_type for n in imported.model.graph] == ["Softmax"]
    assert answers(proto, {"x": random(2, 3)})[0].shape == (2, 3)
