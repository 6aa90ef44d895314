from __future__ import annotations

import pytest

from burnish.dims import evaluate, symbol
from burnish.ops.language.definition import NodeView
from burnish.ops.registry import Misfit
from burnish.ops.windows import Window, windows_of

n = symbol("n")


def window(extent, kernel, **attributes):
    return windows_of(NodeView("Pool", "node", (), attributes, ("y",), 22), (extent,), (kernel,))[0]


def test_symbolic_counts_agree_with_numbers():
    options = [
        {"strides": (2,), "pads": (1, 1)},
        {"strides": (3,), "ceil_mode": 1, "pads": (0, 1)},
        {"strides": (2,), "auto_pad": "SAME_UPPER"},
        {"auto_pad": "VALID", "dilations": (2,)},
    ]
    for attributes in options:
        open_ = window(n, 3, **attributes)
        for size in range(5, 12):
            known = window(size, 3, **attributes)
            assert evaluate(open_.output, {"n": size}) == known.output
            assert evaluate(open_.pad_begin, {"n": size}) == known.pad_begin


def test_windows_that_never_leave_need_no_guard():
    assert window(8, 2, strides=(2,)).is_inside
    assert window(n, 1).is_inside
    assert window(n, 3, strides=(2,)).is_inside
    assert not window(8, 3, pads=(1, 1)).is_inside
    assert not window(8, 3, strides=(2,), ceil_mode=1).is_inside


def test_odd_automatic_pads_go_to_the_named_side():
    upper, lower = (window(6, 3, strides=(2,), auto_pad=f"SAME_{side}") for side in ("UPPER", "LOWER"))
    assert (upper.pad_begin, upper.pad_end) == (0, 1)
    assert (lower.pad_begin, lower.pad_end) == (1, 0)


def test_a_convolution_does_not_fit_into_a_shorter_axis():
    with pytest.raises(Misfit, match="a window of 4 and an axis of 2 with its pads are 4 and 3"):
        window(2, 4, strides=(4,), pads=(1, 0))
    assert window(2, 4, strides=(4,), pads=(1, 1)).output == 1


def test_a_kernel_of_another_rank_does_not_fit():
    with pytest.raises(Misfit):
        windows_of(NodeView("Pool", "node", (), {}, ("y",), 22), (8, 8), (3,))


def test_taps_that_no_window_has_inside_are_not_computed():
    whole = Window(7, 1280, 1280, 1, 0, 0, 1).clipped()
    assert (whole.kernel, whole.pad_begin, whole.is_inside) == (7, 0, True)
    shifted = Window(4, 9, 9, 1, 5, 4, 1).clipped()
    assert (shifted.kernel, shifted.pad_begin, shifted.is_inside) == (4, 0, True)
    needed = Window(7, 3, 2, 1, 1, 1, 4)
    assert needed.clipped() is needed
