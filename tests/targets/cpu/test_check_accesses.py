"""Checked code finds the access that leaves its slot, and keeps it inside the thread's own memory."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import helper

import burnish
from burnish.devices.cpu.processor import best_target
from burnish.dims import evaluate, symbol
from burnish.dtypes import DType
from burnish.errors import InternalError
from burnish.kernels.slot import Slot
from burnish.lower import layers, lowering, matmul
from burnish.targets.cpu.check_accesses import tensor_bytes

N = symbol("n")
LEVELS = ["x86-64-v2", best_target().level]


def engine(
    nodes: list[onnx.NodeProto], shapes: dict[str, list[int | str]], level: str, opset: int = 23
) -> burnish.Engine:
    def info(name: str, shape: list[int | str] | None) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)

    graph = helper.make_graph(nodes, "g", [info(n, s) for n, s in shapes.items()], [info("y", None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 23)], ir_version=10)
    ends = [{n: tuple(d if isinstance(d, int) else end for d in s) for n, s in shapes.items()} for end in (1, 9)]
    profile = {n: (ends[0][n], ends[1][n], ends[1][n]) for n in shapes}
    return burnish.load(burnish.build(model, profile=profile, target=f"cpu:{level}+checked"), threads=2)


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


@pytest.mark.parametrize("level", LEVELS)
def test_a_product_that_walks_past_the_smaller_batch_is_found(monkeypatch: pytest.MonkeyPatch, level: str):
    node, shapes = helper.make_node("MatMul", ["a", "b"], ["y"], "product"), {"a": ["p", 5, 3], "b": ["q", 3, 18]}
    with engine([node], shapes, level) as right:
        assert (right(a=ones(1, 5, 3), b=ones(4, 3, 18))["y"] == 3).all()
    monkeypatch.setattr(matmul, "spread", lambda extent, target: 1)
    with engine([node], shapes, level) as wrong:
        for a, b, slot in ((1, 4, 0), (4, 1, 1)):
            with pytest.raises(InternalError, match=f"E519: 'product' read outside its slot {slot}"):
                wrong(a=ones(a, 5, 3), b=ones(b, 3, 18))
        assert (wrong(a=ones(4, 5, 3), b=ones(4, 3, 18))["y"] == 3).all()  # the note is gone


@pytest.mark.parametrize("level", LEVELS)
def test_an_attention_that_walks_past_its_mask_is_found(monkeypatch: pytest.MonkeyPatch, level: str):
    node = helper.make_node("Attention", ["q", "k", "v", "m"], ["y"], "attention")
    shapes: dict[str, list[int | str]] = {"q": ["b", 2, "s", 8], "k": ["b", 2, "t", 8], "v": ["b", 2, "t", 8]}
    monkeypatch.setattr(layers, "spread", lambda extent, target: 1)
    with engine([node], {**shapes, "m": ["e", 1, "s", "t"]}, level) as wrong:
        feeds = {"q": ones(3, 2, 4, 8), "k": ones(3, 2, 5, 8), "v": ones(3, 2, 5, 8)}
        with pytest.raises(InternalError, match="E519: 'attention' read outside its slot 3"):
            wrong(feeds | {"m": ones(1, 1, 4, 5)})


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("columns", [1, 7, 40])
def test_a_store_past_the_end_is_found_and_writes_nothing(monkeypatch: pytest.MonkeyPatch, level: str, columns: int):
    """The launch is told that its output is one row shorter than it is."""
    real = lowering.Launch

    def shorter(*arguments: object) -> object:
        launch = real(*arguments)  # type: ignore[arg-type]
        own = launch.tensors[launch.writes[0]]
        cut = Slot(own.dtype, (own.shape[0] - 1, *own.shape[1:]), own.strides)
        return real(*arguments[:5], tuple(cut if n in launch.writes else t for n, t in enumerate(launch.tensors)))  # type: ignore[arg-type]

    monkeypatch.setattr(lowering, "Launch", shorter)
    with engine([helper.make_node("Neg", ["x"], ["y"], "negative")], {"x": ["n", columns]}, level) as wrong:
        out = np.full((4, columns), 9, np.float32)
        with pytest.raises(InternalError, match="E519: 'negative' wrote outside its slot 1"):
            wrong({"x": ones(4, columns)}, out={"y": out})
        assert (out[3] == 9).all()
        assert set(np.unique(out)) <= {-1, 9}  # a whole vector that leaves the slot is not written at all


def test_a_tensors_bytes():
    assert tensor_bytes(Slot(DType.F32, (2, 3), (3, 1)), 4) == (16, 40)
    assert tensor_bytes(Slot(DType.F32, (2, 3), (-3, 1)), 4) == (4, 28)
    assert tensor_bytes(Slot(DType.U8, (2, 0), (0, 1)), 0) == (0, 0)
    assert tensor_bytes(Slot(DType.F64, (), ()), 1) == (8, 16)
    for slot in (Slot(DType.F32, (N, 3), (3, 1)), Slot(DType.F32, (3, N), (N, 1)), Slot(DType.F32, (N, 3), (N, N * N))):
        for n in (0, 1, 2, 5):
            ends = [evaluate(end, {"n": n}) for end in tensor_bytes(slot, 1)]
            array = np.lib.stride_tricks.as_strided(
                np.arange(1000), [evaluate(d, {"n": n}) for d in slot.shape],
                [8 * evaluate(d, {"n": n}) for d in slot.strides],
            )  # fmt: skip
            assert ends == [4, 4 + 4 * (1 + int(array.max()) if array.size else 0)], n


def test_other_targets_code_knows_nothing_of_it():
    shapes: dict[str, list[int | str]] = {"x": ["n", 4]}
    with engine([helper.make_node("Neg", ["x"], ["y"])], shapes, "x86-64-v2") as checked:
        assert checked.plan.manifest.variants[0].target == "cpu:x86-64-v2+checked"
        assert checked.plan.manifest.variants[0].scratch_bytes >= 2048
