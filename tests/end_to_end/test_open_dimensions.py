"""A dimension that is open in the plan is decided when shapes are bound: it broadcasts, is empty, or is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

import burnish
from burnish.errors import BurnishError

Array = np.ndarray[Any, Any]
random = np.random.default_rng(11)


def normal(*shape: int) -> Array:
    return random.standard_normal(shape).astype(np.float32)


def model(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, Array] = {},
    outputs: Mapping[str, Sequence[int | str] | None] = {"y": None},
    opset: int = 21,
    types: Mapping[str, int] = {},
) -> onnx.ModelProto:
    """Inputs are f32 where `types` says nothing else; so are outputs."""

    def info(name: str, shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, types.get(name, onnx.TensorProto.FLOAT), shape)

    graph = helper.make_graph(
        nodes,
        "open",
        [info(n, s) for n, s in inputs.items()],
        [info(n, s) for n, s in outputs.items()],
        [numpy_helper.from_array(a, n) for n, a in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def engine_of(
    built: onnx.ModelProto, low: Mapping[str, Sequence[int]], high: Mapping[str, Sequence[int]]
) -> burnish.Engine:
    return burnish.load(burnish.build(built, profile={n: (low[n], high[n], high[n]) for n in low}), threads=1)


def within(shapes: Mapping[str, Sequence[int | str]], low: int = 1, high: int = 6) -> tuple[dict[str, Any], ...]:
    """Every open axis from `low` to `high`."""
    return tuple({n: [d if isinstance(d, int) else end for d in s] for n, s in shapes.items()} for end in (low, high))


def assert_as_onnxruntime(built: onnx.ModelProto, engine: burnish.Engine, feeds: Mapping[str, Array]) -> None:
    session = onnxruntime.InferenceSession(built.SerializeToString(), providers=["CPUExecutionProvider"])
    for (name, got), want in zip(engine(feeds).items(), session.run(None, dict(feeds)), strict=True):
        assert got.shape == want.shape, name
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6, err_msg=name)


def refusal(engine: burnish.Engine, **feeds: Array) -> BurnishError:
    with pytest.raises(BurnishError) as caught:
        engine(feeds)
    return caught.value


@pytest.mark.parametrize(("of_a", "of_b"), [(1, 4), (4, 1), (4, 4), (1, 1)])
def test_open_batches_of_a_product_broadcast(of_a: int, of_b: int):
    shapes: dict[str, Sequence[int | str]] = {"a": ["p", 2, 3], "b": ["q", 3, 2]}
    built = model([helper.make_node("MatMul", ["a", "b"], ["y"])], shapes)
    with engine_of(built, *within(shapes)) as engine:
        assert_as_onnxruntime(built, engine, {"a": normal(of_a, 2, 3), "b": normal(of_b, 3, 2)})


def test_batches_that_do_not_broadcast_are_refused_by_name():
    shapes: dict[str, Sequence[int | str]] = {"a": ["p", 2, "k"], "b": ["q", "l", 2]}
    built = model([helper.make_node("MatMul", ["a", "b"], ["y"], "product")], shapes)
    with engine_of(built, *within(shapes)) as engine:
        error = refusal(engine, a=normal(2, 2, 3), b=normal(3, 3, 2))
        assert error.code == "E509"
        assert "2 and 3" in str(error) and "'product'" in str(error)
        assert refusal(engine, a=normal(2, 2, 3), b=normal(2, 4, 2)).code == "E509"
        assert_as_onnxruntime(built, engine, {"a": normal(2, 2, 3), "b": normal(1, 3, 2)})  # and it works afterwards


@pytest.mark.parametrize("bias", [(1, 4), (2, 1), (1, 1), (2, 4)])
def test_an_open_bias_of_gemm_broadcasts(bias: tuple[int, int]):
    shapes: dict[str, Sequence[int | str]] = {"a": ["m", 3], "b": [3, "n"], "c": ["r", "s"]}
    built = model([helper.make_node("Gemm", ["a", "b", "c"], ["y"], alpha=0.5)], shapes)
    with engine_of(built, *within(shapes)) as engine:
        assert_as_onnxruntime(built, engine, {"a": normal(2, 3), "b": normal(3, 4), "c": normal(*bias)})
        assert refusal(engine, a=normal(2, 3), b=normal(3, 4), c=normal(3, 4)).code == "E509"


def test_the_letters_of_einsum_broadcast():
    shapes: dict[str, Sequence[int | str]] = {"a": ["p", 2, 3], "b": ["q", 3, 2]}
    built = model([helper.make_node("Einsum", ["a", "b"], ["y"], equation="bij,bjk->bik")], shapes)
    with engine_of(built, *within(shapes)) as engine:
        for p, q in ((1, 4), (4, 1), (3, 3)):
            a, b = normal(p, 2, 3), normal(q, 3, 2)
            np.testing.assert_allclose(engine(a=a, b=b)["y"], a @ b, rtol=1e-5, atol=1e-6)


def test_a_masks_open_axes_broadcast_in_attention():
    shapes: dict[str, Sequence[int | str]] = {
        "q": ["b", 2, "s", 8], "k": ["c", 2, "t", 8], "v": ["d", 2, "u", 8], "mask": ["e", "h", "i", "t"]
    }  # fmt: skip
    node = helper.make_node("Attention", ["q", "k", "v", "mask"], ["y"])
    built = model([node], shapes, opset=23)
    with engine_of(built, *within(shapes)) as engine:
        q, k, v = normal(3, 2, 4, 8), normal(3, 2, 5, 8), normal(3, 2, 5, 8)
        for shape in ((3, 2, 4, 5), (1, 1, 4, 5), (1, 2, 1, 5), (3, 1, 1, 5)):
            mask = normal(*shape)
            scores = q @ k.swapaxes(-1, -2) / np.sqrt(8) + mask
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            want = weights / weights.sum(-1, keepdims=True) @ v
            np.testing.assert_allclose(engine(q=q, k=k, v=v, mask=mask)["y"], want, rtol=1e-4, atol=1e-5)
        assert refusal(engine, q=q, k=k, v=v[:, :, :4], mask=normal(1, 1, 4, 5)).code == "E509"
        assert refusal(engine, q=q, k=k, v=v, mask=normal(1, 1, 3, 5)).code == "E509"


def test_constant_weights_meet_an_open_depth():
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", "k"]}
    built = model([helper.make_node("MatMul", ["x", "w"], ["y"])], shapes, {"w": normal(4, 3)})
    with engine_of(built, *within(shapes)) as engine:
        assert_as_onnxruntime(built, engine, {"x": normal(2, 4)})
        assert refusal(engine, x=normal(2, 5)).code == "E509"


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Max", "Min", "Pow", "Mod"])
def test_an_empty_axis_meets_one_row(op: str):
    shapes: dict[str, Sequence[int | str]] = {"a": ["n", 2], "b": ["m", 2]}
    built = model([helper.make_node(op, ["a", "b"], ["y"], **({"fmod": 1} if op == "Mod" else {}))], shapes)
    with engine_of(built, *within(shapes, low=0)) as engine:
        assert engine(a=normal(0, 2), b=normal(1, 2))["y"].shape == (0, 2)
        assert engine(a=normal(1, 2), b=normal(0, 2))["y"].shape == (0, 2)
        assert engine(a=normal(3, 2), b=normal(1, 2))["y"].shape == (3, 2)
        assert refusal(engine, a=normal(0, 2), b=normal(2, 2)).code == "E509"


@pytest.mark.parametrize(
    "nodes",
    [
        [helper.make_node("MatMul", ["a", "b"], ["y"])],
        [helper.make_node("Gemm", ["a", "b"], ["y"])],
        [helper.make_node("Einsum", ["a", "b"], ["y"], equation="ij,jk->ik")],
        [helper.make_node("MatMul", ["a", "b"], ["s"]), helper.make_node("Relu", ["s"], ["y"])],
    ],
    ids=["MatMul", "Gemm", "Einsum", "with an epilogue"],
)
def test_a_sum_over_nothing_is_zero(nodes: list[onnx.NodeProto]):
    fixed = model(nodes, {"a": [3, 0], "b": [0, 5]})
    with burnish.load(burnish.build(fixed), threads=1) as engine:
        np.testing.assert_array_equal(engine(a=normal(3, 0), b=normal(0, 5))["y"], np.zeros((3, 5)))
    shapes: dict[str, Sequence[int | str]] = {"a": ["m", "k"], "b": ["l", "n"]}
    with engine_of(model(nodes, shapes), *within(shapes, low=0)) as engine:
        np.testing.assert_array_equal(engine(a=normal(3, 0), b=normal(0, 5))["y"], np.zeros((3, 5)))
        assert engine(a=normal(0, 2), b=normal(2, 5))["y"].shape == (0, 5)


def test_gemm_over_nothing_is_its_bias():
    fixed = model(
        [helper.make_node("Gemm", ["a", "b", "c"], ["y"])], {"a": [3, 0], "b": [0, 5]}, {"c": np.float32([[2]])}
    )
    with burnish.load(burnish.build(fixed), threads=1) as engine:
        np.testing.assert_array_equal(engine(a=normal(3, 0), b=normal(0, 5))["y"], np.full((3, 5), 2))


def test_parts_without_elements_beside_an_open_axis():
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", 3]}
    ends = {name: np.int64([value]) for name, value in {"zero": 0, "one": 1, "axis": 1}.items()}
    nodes = [
        helper.make_node("Slice", ["x", "zero", "zero", "axis"], ["a"]),
        helper.make_node("Split", ["x", "sizes"], ["b", "c"], axis=1),
        helper.make_node("Tile", ["x", "times"], ["d"]),
        helper.make_node("Concat", ["a", "c", "b"], ["e"], axis=1),
    ]
    sizes = {"sizes": np.int64([0, 3]), "times": np.int64([1, 0])}
    outputs = dict.fromkeys("abcde")
    built = model(nodes, shapes, ends | sizes, outputs)
    with engine_of(built, *within(shapes)) as engine:
        assert_as_onnxruntime(built, engine, {"x": normal(4, 3)})


def test_squeeze_without_axes_drops_what_the_declared_rank_says():
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", 3, 1]}
    built = model([helper.make_node("Squeeze", ["x"], ["y"])], shapes, outputs={"y": [3]})
    with engine_of(built, *within(shapes)) as engine:
        assert engine(x=normal(1, 3, 1))["y"].shape == (3,)
        assert refusal(engine, x=normal(2, 3, 1)).code == "E509"


def test_squeeze_without_axes_refuses_a_one_that_would_change_the_rank():
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", 3, 1]}
    built = model([helper.make_node("Squeeze", ["x"], ["y"])], shapes, outputs={"y": ["n", 3]})
    with engine_of(built, *within(shapes)) as engine:
        assert engine(x=normal(2, 3, 1))["y"].shape == (2, 3)
        assert refusal(engine, x=normal(1, 3, 1)).code == "E509"


def test_the_depth_of_points_follows_from_the_outputs_rank():
    shapes: dict[str, Sequence[int | str]] = {"x": [4, 3, 2], "i": [2, "d"]}
    types = {"i": onnx.TensorProto.INT64}
    node = helper.make_node("GatherND", ["x", "i"], ["y"])
    built = model([node], shapes, outputs={"y": [2, 2]}, types=types)
    with engine_of(built, *within(shapes, high=3)) as engine:
        x, i = normal(4, 3, 2), np.int64([[1, 2], [3, 0]])
        np.testing.assert_array_equal(engine(x=x, i=i)["y"], x[[1, 3], [2, 0]])
        assert refusal(engine, x=x, i=np.int64([[1], [3]])).code == "E509"


def test_a_crop_of_an_open_batch_is_no_division_by_zero():
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", 1, 4, 4]}
    roi, sizes = np.float32([0, 0, 0.1, 0.2, 1, 1, 0.9, 1.3]), np.int64([1, 1, 3, 2])
    node = helper.make_node(
        "Resize", ["x", "roi", "", "sizes"], ["y"], mode="linear",
        coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=9.0,
    )  # fmt: skip
    shape_of = [
        helper.make_node("Shape", ["x"], ["n"], end=1),
        helper.make_node("Concat", ["n", "rest"], ["sizes"], axis=0),
    ]
    built = model([*shape_of, node], shapes, {"roi": roi, "rest": sizes[1:]})
    with engine_of(built, *within(shapes)) as engine:
        assert_as_onnxruntime(built, engine, {"x": normal(1, 1, 4, 4)})
        assert_as_onnxruntime(built, engine, {"x": normal(3, 1, 4, 4)})


def test_rotary_embedding_takes_any_batch_and_sequence():
    shapes: dict[str, Sequence[int | str]] = {"x": ["b", 2, "s", 8], "c": ["b", "s", 4], "d": ["b", "s", 4]}
    built = model([helper.make_node("RotaryEmbedding", ["x", "c", "d"], ["y"])], shapes, opset=23)
    with engine_of(built, *within(shapes)) as engine:
        x, c, s = normal(2, 2, 3, 8), normal(2, 3, 4), normal(2, 3, 4)
        one, two, c4, s4 = x[..., :4], x[..., 4:], c[:, None], s[:, None]
        want = np.concatenate([one * c4 - two * s4, two * c4 + one * s4], -1)
        np.testing.assert_allclose(engine(x=x, c=c, d=s)["y"], want, rtol=1e-6, atol=1e-6)


def test_the_size_alone_of_what_data_decides():
    nodes = [
        helper.make_node("NonZero", ["x"], ["found"]),
        helper.make_node("Shape", ["found"], ["y"]),
        helper.make_node("ConstantOfShape", ["y"], ["z"]),
    ]
    built = model(nodes, {"x": [4]}, outputs={"y": [2], "z": ["a", "b"]}, types={"y": onnx.TensorProto.INT64})
    with burnish.load(burnish.build(built), threads=1) as engine:
        outputs = engine(x=np.float32([0, 1, 0, 2]))
    assert outputs["y"].tolist() == [1, 2]
    assert outputs["z"].shape == (1, 2)


def test_a_requirement_of_what_data_decides_is_asked_when_it_is_known():
    nodes = [
        helper.make_node("NonZero", ["x"], ["found"]),
        helper.make_node("Add", ["found", "z"], ["y"], "sum"),
    ]
    shapes: dict[str, Sequence[int | str]] = {"x": [4], "z": ["n"]}
    types = {"y": onnx.TensorProto.INT64, "z": onnx.TensorProto.INT64}
    built = model(nodes, shapes, outputs={"y": [1, "a"]}, types=types)
    with engine_of(built, *within(shapes)) as engine:
        x = np.float32([0, 1, 0, 2])
        assert engine(x=x, z=np.int64([10, 20]))["y"].tolist() == [[11, 23]]
        assert engine(x=x, z=np.int64([10]))["y"].tolist() == [[11, 13]]
        assert refusal(engine, x=x, z=np.int64([10, 20, 30])).code == "E509"


def test_a_requirement_inside_an_if_is_asked_of_the_side_that_runs():
    def side(op: str, inputs: list[str]) -> onnx.GraphProto:
        value = helper.make_tensor_value_info(op, onnx.TensorProto.FLOAT, ["a"])
        return helper.make_graph([helper.make_node(op, inputs, [op])], op, [], [value])

    node = helper.make_node("If", ["c"], ["y"], then_branch=side("Add", ["x", "z"]), else_branch=side("Relu", ["x"]))
    shapes: dict[str, Sequence[int | str]] = {"c": [], "x": [4], "z": ["n"]}
    built = model([node], shapes, outputs={"y": ["a"]}, types={"c": onnx.TensorProto.BOOL})
    with engine_of(built, *within(shapes)) as engine:
        x, yes, no = np.float32([1, 2, 3, 4]), np.array(True), np.array(False)
        assert engine(c=yes, x=x, z=x)["y"].tolist() == [2, 4, 6, 8]
        assert engine(c=no, x=x, z=normal(3))["y"].tolist() == [1, 2, 3, 4]
        assert refusal(engine, c=yes, x=x, z=normal(3)).code == "E509"


def test_a_loop_of_no_trips_has_no_rows_of_open_size():
    def info(name: str, type_: int, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, type_, shape)

    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["c2"]), helper.make_node("Add", ["s", "x"], ["s2"]),
         helper.make_node("Identity", ["s2"], ["row"])],
        "body", [info("i", 7, []), info("c", 9, []), info("s", 1, ["k"])],
        [info("c2", 9, []), info("s2", 1, ["k"]), info("row", 1, ["k"])],
    )  # fmt: skip
    shapes: dict[str, Sequence[int | str]] = {"n": [], "x": ["k"]}
    outputs: dict[str, Sequence[int | str] | None] = {"last": ["k"], "y": ["t", "k"]}
    node = helper.make_node("Loop", ["n", "", "x"], ["last", "y"], body=body)
    built = model([node], shapes, outputs=outputs, types={"n": onnx.TensorProto.INT64})
    with engine_of(built, *within(shapes)) as engine:
        assert engine(n=np.array(0), x=normal(3))["y"].shape == (0, 3)
        assert_as_onnxruntime(built, engine, {"n": np.array(2), "x": normal(3)})


def test_the_scores_of_attention_have_as_many_columns_as_there_are_keys():
    shapes: dict[str, Sequence[int | str]] = {"q": [1, 1, "t", 4], "k": [1, 1, "t", 4], "v": [1, 1, "t", 4]}
    node = helper.make_node("Attention", ["q", "k", "v"], ["y", "", "", "s"])
    built = model([node], shapes, outputs={"y": None, "s": None}, opset=23)
    with engine_of(built, *within(shapes)) as engine:
        q = normal(1, 1, 3, 4)
        got = engine(q=q, k=q, v=q)["s"]
        np.testing.assert_allclose(got, q @ q.swapaxes(-1, -2) / 2, rtol=1e-5, atol=1e-6)


def test_a_size_that_no_memory_holds_is_refused():
    built = model([helper.make_node("Relu", ["x"], ["y"])], {"x": ["n", 4]})
    for size in (10**20, 10**9 + 1, 2**62):
        with pytest.raises(BurnishError) as caught:
            burnish.build(built, shapes={"x": (size, 4)})
        assert caught.value.code == "E602"


def test_a_part_that_would_be_negative_is_refused():
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", 2]}
    nodes = [
        helper.make_node("Shape", ["x"], ["n"], end=1),
        helper.make_node("Sub", ["n", "four"], ["rest"]),
        helper.make_node("Concat", ["four", "rest"], ["sizes"], axis=0),
        helper.make_node("Split", ["x", "sizes"], ["a", "b"], axis=0),
        helper.make_node("Relu", ["b"], ["y"]),
    ]
    built = model(nodes, shapes, {"four": np.int64([4])})
    with engine_of(built, *within(shapes)) as engine:
        assert engine(x=normal(6, 2))["y"].shape == (2, 2)
        assert engine(x=normal(4, 2))["y"].shape == (0, 2)
        assert refusal(engine, x=normal(3, 2)).code == "E509"


@pytest.mark.parametrize("mode", ["edge", "reflect", "wrap"])
def test_nothing_cannot_be_repeated_around_itself(mode: str):
    shapes: dict[str, Sequence[int | str]] = {"x": ["n", 3]}
    built = model([helper.make_node("Pad", ["x", "pads"], ["y"], mode=mode)], shapes, {"pads": np.int64([1, 0, 0, 0])})
    with engine_of(built, *within(shapes, low=0)) as engine:
        assert engine(x=normal(2, 3))["y"].shape == (3, 3)
        assert refusal(engine, x=normal(0, 3)).code == "E509"
