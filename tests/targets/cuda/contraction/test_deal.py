"""Columns of B change places when it is packed, and the sums get them back by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest

from burnish.dtypes import DType
from burnish.kernels.task import Contraction
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.contraction.deal import dealt_columns, is_dealt, named_again
from burnish.targets.cuda.contraction.pack import pack
from burnish.targets.cuda.contraction.tile import Tile
from tests.targets.cuda.contraction_tasks import matmul
from tests.targets.cuda.whole_program import H200, run_model

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(0)
W, B = RANDOM.integers(-127, 128, (64, 256), np.int8), RANDOM.standard_normal(256, np.float32)

TILES = [
    Tile("copy", 64, n, 32, swap=swap) for n in (16, 64, 128, 256) for swap in (False, True) if n >= 64 or not swap
]


def bytes_of(columns: int) -> Contraction:
    return matmul(8, columns, 5, DType.U8, b_dtype=DType.I8, out_dtype=DType.U8)


def residual_of_codes(rows: int, zero: int = 0) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """Q(Relu(MatMul(DQ(x), DQ(w)) + b + DQ(r))), u8 by i8, and its inputs."""
    model = onnx.parser.parse_model(f"""<ir_version: 10, opset_import: ["": 21]>
        g (uint8[{rows}, 64] x, uint8[{rows}, 256] r) => (uint8[{rows}, 256] y)
        <float s = {{0.01}}, float t = {{0.037}}, uint8 z = {{{zero}}}, int8 zw = {{0}}> {{
        xf = DequantizeLinear(x, s, z) wf = DequantizeLinear(w, s, zw) rf = DequantizeLinear(r, t, z)
        p = MatMul(xf, wf) a = Add(p, b) q = Add(a, rf) u = Relu(q) y = QuantizeLinear(u, t, z) }}""")
    model.graph.initializer.extend([onnx.numpy_helper.from_array(W, "w"), onnx.numpy_helper.from_array(B, "b")])
    random = np.random.default_rng(rows)
    return model, {n: random.integers(0, 256, (rows, k), np.uint8) for n, k in (("x", 64), ("r", 256))}


def answer(feeds: dict[str, Array], zero: int) -> Array:
    """As docs/quantization.md says, each step of f32 rounded."""
    total = (feeds["x"].astype(np.int64) - zero) @ W.astype(np.int64)
    value = total.astype(np.float32) * (np.float32(0.01) * np.float32(0.01)) + B
    value = value + (feeds["r"].astype(np.float32) - np.float32(zero)) * np.float32(0.037)
    quotient = np.maximum(value, 0) / np.float32(0.037)
    return np.clip(np.rint(quotient) + zero, 0, 255).astype(np.uint8)


FORMS = {
    "copies": Tile("copy", 64, 64, 64, stages=1),
    "copies, swapped": Tile("copy", 64, 128, 64, swap=True, stages=2),
    "copies, residuals early": Tile("copy", 64, 64, 32, stages=2, early=True),
    "copies, residuals early, in pieces": Tile("copy", 64, 128, 32, stages=2, early=True),
    "copies, many tiles a program": Tile("copy", 64, 256, 64, warps=8, persistent=1),
    "addresses": Tile("load", 32, 32, 32),
    "addresses, swapped": Tile("load", 16, 64, 64, swap=True),
    "a split sum": Tile("load", 64, 16, 32, split=2),
}


@pytest.mark.parametrize("zero", [0, 97])
@pytest.mark.parametrize("form", FORMS)
def test_codes_are_those_of_the_arithmetic_with_every_form_of_tile(form: str, zero: int):
    model, feeds = residual_of_codes(70, zero)
    found = run_model(model, feeds, choose=lambda kernel, _: FORMS[form].schedule)["y"]
    np.testing.assert_array_equal(found, answer(feeds, zero))


@pytest.mark.parametrize("m", [16, 64])  # residuals by columns, and as threads hold the sums
def test_residuals_of_the_next_tile_are_those_of_the_next_tile(m: int, monkeypatch):
    few = replace(chip_of(H200), processors=2)
    monkeypatch.setattr("burnish.targets.cuda.contraction.tiling.chip_of", lambda target: few)
    model, feeds = residual_of_codes(5 * m - 3)  # five tiles for two programs
    tile = Tile("copy", m, 256, 64, warps=4, persistent=1, early=True)
    found = run_model(model, feeds, choose=lambda kernel, _: tile.schedule)["y"]
    np.testing.assert_array_equal(found, answer(feeds, 0))


class Sums(np.ndarray):
    """Sums as the text has them: Triton's words are numpy's, but for one."""

    def permute(self, *order: int) -> np.ndarray:
        return self.transpose(order)


@pytest.mark.parametrize("tile", TILES)
def test_sums_of_dealt_columns_get_their_order_back(tile: Tile):
    order = dealt_columns(tile)
    assert sorted(order) == list(range(tile.n))
    product = np.broadcast_to(order, (tile.m, tile.n))
    names = {"sums": (product.T if tile.swap else product).copy().view(Sums)}
    np.testing.assert_array_equal(
        eval(named_again(tile, "sums"), names), np.broadcast_to(np.arange(tile.n), product.shape)
    )


def test_a_thread_of_four_holds_a_quarter_of_64_columns_of_a_row():
    columns = dealt_columns(Tile("copy", 64, 128, 32)).reshape(
        2, 8, 4, 2
    )  # every eight columns have two of each thread
    for piece in (0, 1):
        for thread in range(4):
            first = 64 * piece + 16 * thread
            np.testing.assert_array_equal(columns[piece, :, thread].reshape(-1), np.arange(first, first + 16))


def test_a_thread_of_a_swapped_tile_holds_neighbours_too():
    rows = dealt_columns(Tile("copy", 64, 256, 32, swap=True)).reshape(4, 4, 2, 8)
    np.testing.assert_array_equal(rows[:, 1, :, 3].reshape(-1), np.arange(11 * 8, 12 * 8))


def test_packed_columns_of_each_tile_are_dealt_where_results_are_bytes():
    kernel = bytes_of(32)
    b = np.arange(160, dtype=np.int64).astype(np.int8).reshape(5, 32)
    tile = Tile("copy", 64, 16, 32)
    assert is_dealt(kernel, tile)
    packed = pack(kernel, tile.schedule, 1, b)[0, :, :5]
    for first in (0, 16):
        np.testing.assert_array_equal(packed[first : first + 16], b.T[first + dealt_columns(tile)])


def test_other_columns_stay_where_they_are():
    assert not is_dealt(matmul(8, 32, 5), Tile("copy", 64, 16, 32))  # f16
    assert not is_dealt(bytes_of(40), Tile("copy", 64, 16, 32))  # half a tile at the end
    assert not is_dealt(bytes_of(32), Tile("copy", 64, 32, 32, swap=True))
