from __future__ import annotations

import pytest

from burnish.serve.config.options.values import (
    Axis,
    axes,
    flag,
    number,
    one_of,
    pad_values,
    pairs,
    refuse,
    share,
    size_bytes,
    sizes,
    weights,
    whole,
)
from tests.serve.config.configs import refusal


@pytest.mark.parametrize(
    ("read", "text", "expected"),
    [
        (lambda k, t: whole(k, t, 1, 9), " 7 ", 7),
        (number, "0.25", 0.25),
        (number, "1e-3", 0.001),
        (number, "5 %".replace(" ", ""), 0.05),
        (share, "100%", 1.0),
        (size_bytes, "512MiB", 512 << 20),
        (size_bytes, "1g", 1 << 30),
        (size_bytes, "4096", 4096),
        (flag, "True", True),
        (flag, "false", False),
        (lambda k, t: one_of(k, t, ("a", "b")), " b", "b"),
        (sizes, "16, 32 64", (16, 32, 64)),
        (axes, "ids[0]", (Axis("ids", 0),)),
        (axes, "ids[0], mask [1],'a,b[0]=c'[2]", (Axis("ids", 0), Axis("mask", 1), Axis("a,b[0]=c", 2))),
        (axes, "input:0[1]", (Axis("input:0", 1),)),
        (axes, "two words[0]", (Axis("two words", 0),)),
        (lambda k, t: pairs(k, t, "a = b"), "a[0], b[1] = 1 2;\n c = d ;", [("a[0], b[1]", "1 2"), ("c", "d")]),
        (weights, "1 = 95, 2 = 5", {1: 95.0, 2: 5.0}),
        (weights, "0 = 1; 3 = 0", {0: 1.0, 3: 0.0}),
        (pad_values, "a = -1; b = 0.5; c = true", {"a": -1, "b": 0.5, "c": True}),
        (pad_values, "d = 'x y'; 'e,f' = ''", {"d": b"x y", "e,f": b""}),
    ],
)  # fmt: skip
def test_texts_are_read(read, text: str, expected: object) -> None:
    found = read("key", text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("read", "text", "why"),
    [
        (lambda k, t: whole(k, t, 1, 9), "10", "a whole number from 1 to 9 is expected"),
        (lambda k, t: whole(k, t, 1, 9), "-1", "a whole number from 1 to 9 is expected"),
        (lambda k, t: whole(k, t, 1, 9), "٣", "a whole number from 1 to 9 is expected"),
        (lambda k, t: whole(k, t, 1, 9), "9" * 5000, "a whole number from 1 to 9 is expected"),
        (number, "-1", "a number that is not negative is expected"),
        (number, "nan", "a number that is not negative is expected"),
        (number, "inf", "a number that is not negative is expected"),
        (number, "much", "a number that is not negative is expected"),
        (share, "0", "a part of the whole is expected"),
        (share, "101%", "a part of the whole is expected"),
        (size_bytes, "much", "a size is expected"),
        (flag, "yes", "true or false is expected"),
        (lambda k, t: one_of(k, t, ("a", "b")), "c", "one of a, b is expected"),
        (sizes, "", "sizes in ascending order are expected"),
        (sizes, "32, 16", "sizes in ascending order are expected"),
        (sizes, "16, 16", "sizes in ascending order are expected"),
        (sizes, "0, 16", "a whole number from 1"),
        (axes, "", "axes of tensors are expected"),
        (axes, "ids", "axes of tensors are expected"),
        (axes, "ids[0] mask[0]", "axes of tensors are expected"),
        (axes, "ids[0],", "axes of tensors are expected"),
        (axes, "ids[-1]", "axes of tensors are expected"),
        (lambda k, t: pairs(k, t, "a = b"), "", "entries like a = b are expected"),
        (lambda k, t: pairs(k, t, "a = b"), "a = b; c", "'c'; entries like a = b are expected"),
        (lambda k, t: pairs(k, t, "a = b"), "= b", "entries like a = b are expected"),
        (weights, "1 = 0, 2 = 0", "a weight above 0 is expected"),
        (weights, "1 = 5, 1 = 6", "version 1 is named twice"),
        (weights, "x = 5", "a whole number from 0"),
        (pad_values, "a = b", "a number, true, false or a text in single quotes is expected"),
        (pad_values, "a = 1; a = 2", "'a' is named twice"),
    ],
)
def test_texts_that_say_nothing_are_refused_with_key_text_and_example(read, text: str, why: str) -> None:
    message = refusal(read, "burnish.key", text)
    assert message.startswith("parameter 'burnish.key' is '")
    assert why in message
    assert len(message) < 300


def test_a_refusal_shows_the_start_of_a_long_text() -> None:
    assert refusal(refuse, "k", "x" * 500, "less is expected") == f"parameter 'k' is '{'x' * 80}'; less is expected"


def test_an_axis_is_written_as_it_is_read() -> None:
    assert str(Axis("ids", 1)) == "ids[1]"
