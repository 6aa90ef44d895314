"""The words of a chain print all that they hold: a chain's key is made of them."""

from __future__ import annotations

from burnish.kernels.strips import Between, Pads, Part, Rows, Strip


def test_each_word_prints_all_that_it_holds() -> None:
    assert str(Strip(4, 3, 9)) == "4x3<=9"
    assert str(Rows(1, 2, -1, 8)) == "1*2-1<=8" and str(Rows(0, 1, 0, 5)) == "0*1+0<=5"
    assert str(Pads(8, 4, 2, 16)) == "8+4x2@16"
    assert str(Between(64, (Pads(0, 4), Pads(8, 4)), 7)) == "64[0+4x1@0=7][8+4x1@0=7]"
    assert str(Part(-2, (3, 0), 5)) == "-2:5+3+0" and str(Part(0, ())) == "0:0"
