"""blocks.py: a weight of few bits is part of a kernel's key."""

from __future__ import annotations

from dataclasses import replace

from burnish.kernels.blocks import Blocks
from tests.targets.cpu.few_bit_products import product_of_codes


def test_blocks_count_the_last_one_that_is_shorter():
    assert Blocks(32, 4, 2).count(64) == 2
    assert Blocks(32, 4, 2).count(65) == 3
    assert [Blocks(32, bits, 2).per_word for bits in (2, 4, 8)] == [16, 8, 4]


def test_what_the_codes_mean_is_part_of_the_key():
    kernel = product_of_codes(1, 8, 64).kernel
    others = [Blocks(64, 4, 2), Blocks(32, 8, 2), Blocks(32, 4, 2, 2), None]
    keys = {kernel.key, *(replace(kernel, blocks=blocks).key for blocks in others)}
    assert len(keys) == 5
    assert "blocks[32x4b*2]" in kernel.key
