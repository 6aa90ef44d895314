"""How a constant B of few bits lies in memory: words of several codes, and scales and zero points beside them.

words                [panel][K / per_word][width]   codes of one column at consecutive k, the first in the lowest bits;
                     if the data are bf16, those of even k in the low half, those of odd k in the high half
scales, zero points  [panel][blocks][width]
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.blocks import Blocks
from burnish.kernels.task import Contraction
from burnish.targets.cpu.contraction.options import ContractionOptions

Array = np.ndarray[Any, Any]


def pack_codes(kernel: Contraction, options: ContractionOptions, slot: int, array: Array) -> Array:
    """A slot's constant in the layout that the schedule needs."""
    blocks, columns, width = kernel.blocks, known(kernel.n.extent), options.width
    assert blocks is not None
    panels = -(-columns // width)
    if slot not in (1, blocks.scale, blocks.zero):
        return array
    rows = array.reshape(-1, columns)
    if slot == 1:
        rows = _words(rows, blocks, is_paired(kernel))
    padded = np.zeros((len(rows), panels * width), rows.dtype)
    padded[:, :columns] = rows
    return np.ascontiguousarray(padded.reshape(len(rows), panels, width).transpose(1, 0, 2))


def is_paired(kernel: Contraction) -> bool:
    """Do words hold the codes of even and odd k apart, to be multiplied in pairs?"""
    return kernel.blocks is not None and kernel.blocks.bits < 8 and kernel.slots[0].dtype is DType.BF16


def _words(codes: Array, blocks: Blocks, paired: bool) -> Array:
    """[k, n] codes in words, u32 [k / per_word, n]."""
    each, (depth, columns) = blocks.per_word, codes.shape
    words = np.zeros((-(-depth // each), columns), np.uint32)
    for place in range(each):
        shift = place // 2 * blocks.bits + place % 2 * 16 if paired else place * blocks.bits
        part = codes[place::each].astype(np.uint32) << np.uint32(shift)
        words[: len(part)] |= part
    return words
