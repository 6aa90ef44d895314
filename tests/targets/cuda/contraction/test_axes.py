"""How a contraction looks to the copy engine."""

from __future__ import annotations

from dataclasses import replace

from burnish.dims import symbol
from burnish.kernels.contraction_runs import analyse
from burnish.targets.cuda.contraction.axes import copied_a, copied_b, copied_tile, reduction_of
from tests.targets.cuda.contraction_tasks import convolution, matmul


def test_a_product_is_rows_and_channels():
    kernel = matmul(20, 24, 40)
    rows, channels = copied_a(kernel, analyse(kernel))
    assert (rows.extent, rows.stride, channels.extent, channels.stride) == (20, 40, 40, 1)


def test_a_window_is_one_axis_of_image_and_tap():
    kernel = convolution(2, 16, (9, 8), 24, (3, 3), stride=2, pads=(1, 1), dilation=2)
    image, row, column, channel = copied_a(kernel, analyse(kernel))
    assert (row.extent, row.stride, row.step, row.dilation, row.first) == (9, 128, 2, 2, -1)
    assert (column.extent, column.stride, column.step, column.dilation, column.first) == (8, 16, 2, 2, -1)
    assert (image.extent, image.step, channel.extent) == (2, 1, 16)


def test_without_padding_a_tap_joins_the_pixels_that_walk_the_same_axis():
    kernel = convolution(2, 16, (9, 8), 24, (3, 2), stride=2)
    _, row, column, channel = copied_a(kernel, analyse(kernel))
    assert (row.extent, row.stride, row.step) == (9, 128, 2)
    assert (column.stride, column.step, channel.extent) == (32, 1, 32)  # two taps are 32 channels


def test_a_1x1_convolution_with_a_stride_skips_pixels_by_its_strides():
    kernel = convolution(2, 16, (9, 8), 24, (1, 1), stride=2)
    _, row, column, _ = copied_a(kernel, analyse(kernel))
    assert (row.stride, row.step, column.stride, column.step) == (256, 1, 32, 1)


def test_pixels_keep_their_order_whatever_their_strides():
    kernel = convolution(symbol("n"), 16, (symbol("h"), 8), 24, (3, 3), pads=(1, 1))
    shape = analyse(kernel)
    axes = copied_a(kernel, shape)
    assert [a.pixel for a in axes if a.pixel is not None] == list(shape.pixels)


def test_what_has_odd_rows_or_an_odd_address_is_no_tensor_map():
    odd = matmul(20, 24, 37)
    assert copied_a(odd, analyse(odd)) is None
    kernel = matmul(20, 24, 40)
    shifted = replace(kernel, slots=(replace(kernel.slots[0], aligned=8), *kernel.slots[1:]))
    assert copied_a(shifted, analyse(shifted)) is None


def test_more_than_five_axes_are_no_tensor_map():
    kernel = convolution(2, 16, (4, 4, 4), 16, (3, 3, 3), pads=(1, 1, 1), groups=2)
    assert copied_a(kernel, analyse(kernel)) is None


def test_b_is_a_tensor_map_either_way_round():
    for transposed, extents in ((False, (3, 40, 24)), (True, (3, 24, 40))):
        kernel = matmul(20, 24, 40, batch=(3,), packed=False, transpose_b=transposed)
        assert tuple(a.extent for a in copied_b(kernel, analyse(kernel))) == extents


def test_a_bias_is_no_tile_and_a_residual_is():
    kernel = matmul(20, 24, 40, bias=True, residual=True)
    shape = analyse(kernel)
    (store,) = kernel.stores
    assert copied_tile(shape, kernel.slots[2], store.index) is not None
    bias = next(e for e in store.value.args[0].args[0].args if e.op == "load")
    assert copied_tile(shape, kernel.slots[3], bias.args) is None


def test_a_single_channel_is_none_at_all():
    kernel = convolution(1, 1, (8, 9), 20, (5, 5), pads=(2, 2))
    cut = reduction_of(kernel, analyse(kernel), 32, flat=True)
    assert [t.extent for t in cut.taps] == [5, 5]
    assert (cut.channel.extent, cut.depth, cut.steps) == (1, 25, 1)


def test_channels_of_a_tap_are_padded_to_whole_steps():
    kernel = convolution(1, 24, (8, 9), 20, (3, 3), pads=(1, 1))
    cut = reduction_of(kernel, analyse(kernel), 16)
    assert (cut.padded_channels, cut.steps, cut.packed_depth) == (32, 18, 288)
