"""The fast checksum sees every flipped bit and every moved page."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.plan.checksum import page_sums


@pytest.mark.parametrize("size", [1, 7, 8, 63, 4095, 4096, 4097, 12288 + 3])
def test_a_flipped_bit_anywhere_changes_the_sums(size: int) -> None:
    data = bytearray(np.random.default_rng(size).bytes(size))
    before = page_sums(bytes(data))
    for place in range(0, size, max(1, size // 500)):
        data[place] ^= 1 << (place % 8)
        assert page_sums(bytes(data)) != before
        data[place] ^= 1 << (place % 8)


def test_zeros_of_another_length_have_another_sum() -> None:
    assert len({page_sums(bytes(n)) for n in (0, 1, 8, 4095, 4096, 4097, 8192)}) == 7


def test_pages_in_another_order_have_another_sum() -> None:
    pages = [np.random.default_rng(n).bytes(4096) for n in range(3)]
    assert page_sums(b"".join(pages)) != page_sums(b"".join(reversed(pages)))
