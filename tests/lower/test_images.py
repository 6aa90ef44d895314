"""What pads an image: zeros around it where it lies, or one copy for all that read it."""

from __future__ import annotations

from tests.lower.test_lowering import check, kinds, model

WEIGHTS = {"w": (8, 8, 3, 3), "v": (8, 8, 5, 5)}


def test_an_input_is_copied_once_for_all_convolutions_that_pad_it_alike() -> None:
    text = """m (float[1,8,9,7] x) => (float[1,8,9,7] y) {
        a = Conv <pads=[1,1,1,1]> (x, w) b = Conv <pads=[2,2,2,2]> (x, v) c = Conv <pads=[1,1,1,1]> (x, u)
        s = Add(a, b) y = Add(s, c) }"""
    found = kinds(check(model(text, WEIGHTS | {"u": (8, 8, 3, 3)})))
    assert found["Contraction"] == 3 and found["Loops"] == 2


def test_what_a_convolution_makes_has_the_zeros_of_its_widest_reader_around_it() -> None:
    text = """m (float[1,8,9,7] x) => (float[1,8,9,7] y) {
        r = Conv (x, p) a = Conv <pads=[1,1,1,1]> (r, w) b = Conv <pads=[2,2,2,2]> (r, v) y = Add(a, b) }"""
    assert kinds(check(model(text, WEIGHTS | {"p": (8, 8, 1, 1)})))["Loops"] == 0
