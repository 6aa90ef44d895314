"""products.py: products of quantised matrices. Oracle: ONNX Runtime on the call itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from tests.importers.microsoft.run import call, check, quantised, real

U8, S8 = np.uint8, np.int8


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("has_bias", [False, True])
def test_integer_products_that_are_scaled_to_floats(per_column: bool, has_bias: bool):
    a, b = quantised(2, 3, 16), quantised(16, 10, dtype=S8)
    scale = np.linspace(0.01, 0.02, 10, dtype=np.float32) if per_column else np.array([0.015], np.float32)
    zero = np.arange(10, dtype=S8) if per_column else np.array([3], S8)
    bias = real(10) if has_bias else None
    constants = (1, 3, 5) + ((6,) if has_bias else ())
    check(*call("MatMulIntegerToFloat", [a, b, np.float32(0.02), scale, U8(120), zero, bias], constants))
    check(*call("DynamicQuantizeMatMul", [real(2, 3, 16), b, scale, zero, bias], (1, 2, 3)))
    check(*call("DynamicQuantizeMatMul", [real(3, 16), b, np.float32(0.02), None, bias], (1, 2)))


def test_products_of_16_bits():
    a, b = quantised(3, 16, dtype=np.int16), quantised(16, 4, dtype=np.int16)
    check(*call("MatMulInteger16", [a // 16, b // 16], (), (np.int32,)))


@pytest.mark.parametrize("exchanged", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("result", ["float", "u8"])
def test_gemm_with_a_bias_of_its_products_scale(exchanged: tuple[int, int], result: str):
    a = quantised(16, 5) if exchanged[0] else quantised(5, 16)
    b = quantised(9, 16, dtype=S8) if exchanged[1] else quantised(16, 9, dtype=S8)
    c = np.arange(-400, 500, 100, dtype=np.int32)
    scale = np.linspace(0.01, 0.02, 9, dtype=np.float32)
    ends: list[Any] = [np.float32(0.25), U8(100)] if result == "u8" else []
    inputs = [a, np.float32(0.02), U8(128), b, scale, np.zeros(9, S8), c, *ends]
    dtype = U8 if result == "u8" else np.float32
    options = {"transA": exchanged[0], "transB": exchanged[1], "alpha": 0.5}
    check(*call("QGemm", inputs, tuple(range(1, len(inputs))), (dtype,), **options))
    check(
        *call(
            "QGemm",
            [a, np.float32(0.02), U8(128), b, np.float32(0.5), S8(0)],
            (1, 2, 3),
            transA=exchanged[0],
            transB=exchanged[1],
        )
    )


@pytest.mark.parametrize(  # ONNX Runtime has no kernel for 8 bits with zero points in floats
    ("bits", "zeros"), [(4, "none"), (4, "packed"), (4, "float"), (8, "none"), (8, "packed")]
)
def test_weights_of_few_bits_in_blocks(bits: int, zeros: str):
    K, N, block = 40, 6, 16
    blocks = 3
    weights, scales = quantised(N, blocks, block * bits // 8), np.abs(real(N * blocks)) / 10
    zero: dict[str, Any] = {
        "none": None,
        "packed": quantised(N * -(-blocks * bits // 8)),
        "float": real(N, blocks),
    }
    inputs = [real(2, 3, K), weights, scales, zero[zeros], None, real(N)]
    constants = (1, 2, 5) + ((3,) if zeros != "none" else ())
    kept = ("MatMulNBits",) if zeros == "float" else ()
    check(*call("MatMulNBits", inputs, constants, K=K, N=N, block_size=block, bits=bits), kept=kept)


def test_columns_that_name_their_group():
    K, N, block = 32, 4, 16
    group = np.array([0, 1] * 16, np.int32)
    inputs = [real(3, K), quantised(N, 2, 8), np.abs(real(N * 2)), None, group]
    check(*call("MatMulNBits", inputs, (1, 2, 4), K=K, N=N, block_size=block, bits=4))


@pytest.mark.parametrize("has_zeros", [False, True])
def test_rows_of_a_table_of_few_bits(has_zeros: bool):
    table, scales = quantised(20, 16), np.abs(real(20, 2))
    zeros = quantised(20, 1) if has_zeros else None
    inputs = [table, np.array([[3, 19, 0]]), scales, zeros]
    constants = (0, 2, 3) if has_zeros else (0, 2)
    options = {"gather_axis": 0, "quantize_axis": 1, "block_size": 16, "bits": 4}
    check(*call("GatherBlockQuantized", inputs, constants, **options))


def test_weights_that_are_computed_or_do_not_fill_their_shape_are_refused():
    scales = np.ones(6, np.float32)
    for weights, constants, words in (
        (quantised(3, 2, 8), (2,), "the weights is computed"),
        (quantised(3, 2, 7), (1, 2), "42 bytes do not hold 3x32 codes of 4 bits"),
    ):
        model, _ = call("MatMulNBits", [real(2, 32), weights, scales], constants, K=32, N=3, block_size=16)
        with pytest.raises(UserError, match=rf"E113(.|\n)*{words}"):
            load_model(model)
