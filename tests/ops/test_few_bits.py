"""few_bits.py: the definition of MatMulNBits, and the forms that it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.ops.few_bits import can_pack, pack_codes, unpack_codes, zero_points
from burnish.ops.language.definition import MatMul, NodeView, Tensor
from burnish.ops.registry import Misfit, Undefined, define

CODES = Tensor("w", DType.U8, (3, 2, 8), array=np.zeros((3, 2, 8), np.uint8))
SCALES = Tensor("s", DType.F32, (3, 2), array=np.ones((3, 2), np.float32))


def node(x: Tensor, codes: Tensor = CODES, group: Tensor | None = None, **changed: int) -> NodeView:
    attributes = {"K": 20, "N": 3, "bits": 4, "block_size": 16} | changed
    return NodeView("MatMulNBits", "y", (x, codes, SCALES, None, group), attributes, ("y",), 21, "com.microsoft")


def test_it_is_a_product_whose_weight_is_codes():
    (form,) = define(node(Tensor("x", DType.F32, (2, 5, 20))))
    assert isinstance(form, MatMul)
    assert (form.shape, form.b.shape, form.dtype) == ((2, 5, 3), (20, 3), DType.F32)
    assert form.blocks is not None
    assert (form.blocks.codes, form.blocks.size, form.blocks.bits) == (CODES, 16, 4)


def test_forms_without_kernels_say_so():
    x = Tensor("x", DType.F32, (2, 20))
    with pytest.raises(Undefined, match="4 bits in blocks of 20"):
        define(node(x, block_size=20))
    with pytest.raises(Undefined, match="with groups of columns"):
        define(node(x, group=Tensor("g", DType.I32, (20,))))
    with pytest.raises(Undefined, match="computed"):
        define(node(x, codes=Tensor("w", DType.U8, (3, 2, 8))))
    with pytest.raises(Misfit, match="no matrix"):
        define(node(Tensor("x", DType.F32, (20,))))


def test_blocks_consist_of_whole_words():
    assert [can_pack(size, 4) for size in (0, 4, 8, 12, 32)] == [False, False, True, False, True]
    assert can_pack(4, 8) and can_pack(16, 2) and not can_pack(8, 2) and not can_pack(16, 3)


def test_a_table_of_another_form_says_so():
    inputs = (CODES, Tensor("i", DType.I64, (2,)), SCALES, CODES)
    given = {"bits": 4, "block_size": 16, "gather_axis": 0, "quantize_axis": 1}
    view = NodeView("GatherBlockQuantized", "y", inputs, given, ("y",), 21, "com.microsoft")
    with pytest.raises(Undefined, match="rows of a matrix of bytes"):
        define(view)


def test_codes_lie_side_by_side_from_the_lowest_bits():
    assert pack_codes(np.array([[1, 2, 3, 4, 5]], np.uint8), 4).tolist() == [[0x21, 0x43, 0x05]]
    assert pack_codes(np.array([[1, 2, 3, 0, 2]], np.uint8), 2).tolist() == [[0b00111001, 0b10]]
    assert pack_codes(np.array([[7, 255]], np.uint8), 8).tolist() == [[7, 255]]


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_that_were_packed_are_read_again(bits):
    codes = np.random.default_rng(bits).integers(0, 1 << bits, (3, 7), dtype=np.uint8)
    assert np.array_equal(unpack_codes(pack_codes(codes, bits), bits)[:, :7], codes)


def test_zero_points_are_floats_or_codes():
    assert zero_points(np.array([0x21, 0x03], np.uint8), 4, 1, 3).tolist() == [[1, 2, 3]]
    assert zero_points(np.array([1.5, 2, 3, 4], np.float32), 4, 2, 2).tolist() == [[1.5, 2], [3, 4]]
