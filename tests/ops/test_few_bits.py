"""few_bits.py: the definition of MatMulNBits, and the forms that it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.ops.few_bits import can_pack
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
