"""Random nodes that read around a place: pooling, convolution, sampling, padding."""

from __future__ import annotations

from typing import Any

import numpy as np

from .draw import Array, Case, Random, draws, floats, one_of, some


@draws
def resize(r: Random) -> Case:
    mode = one_of(r, "nearest", "linear", "cubic", "cubic")
    corner = one_of(r, "half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric", "pytorch_half_pixel",
                    "tf_crop_and_resize")  # fmt: skip
    x = floats(r, 1, 2, int(r.integers(2, 6)), int(r.integers(2, 6)))
    attributes: dict[str, Any] = {"mode": mode, "coordinate_transformation_mode": corner}
    roi = None
    if corner == "tf_crop_and_resize":
        attributes["mode"] = mode = "linear"  # ONNX Runtime reads outside x else; see docs/operators.md
        roi = np.array([0, 0, 0.1, 0.2, 1, 1, 0.9, 1.1], np.float32)
        attributes["extrapolation_value"] = 7.0
        sizes = np.array([1, 2, *(one_of(r, *({1, 2, 3, 4, 7, 8} - {d})) for d in x.shape[2:])])
        return Case("Resize", (x, roi, None, sizes), attributes, constants=frozenset({1, 3}))
    if mode == "cubic":
        attributes |= some(r, cubic_coeff_a=-0.5, exclude_outside=1 if corner != "tf_crop_and_resize" else 0)
    if mode == "nearest":
        attributes["nearest_mode"] = one_of(r, "round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
    if r.random() < 0.5:
        scales = np.array(
            [1, 1, one_of(r, 0.5, 0.6, 1.5, 1.7, 2.0, 2.5), one_of(r, 0.8, 1.0, 1.3, 2.0, 3.0)], np.float32
        )
        return Case("Resize", (x, roi, scales), attributes, constants=frozenset({1, 2}))
    sizes = np.array([1, 2, int(r.integers(1, 9)), int(r.integers(1, 9))])
    return Case("Resize", (x, roi, None, sizes), attributes, constants=frozenset({1, 3}))


@draws
def resize_antialias(r: Random) -> Case:
    mode = one_of(r, "linear", "cubic")
    corner = one_of(r, "half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel")
    x = floats(r, 1, 1, int(r.integers(4, 9)), int(r.integers(4, 9)))
    attributes = {"mode": mode, "coordinate_transformation_mode": corner, "antialias": 1, **some(r, exclude_outside=0)}
    scales = np.array([1, 1, one_of(r, 0.5, 0.6, 1.0), one_of(r, 0.4, 0.75, 1.5)], np.float32)
    return Case("Resize", (x, None, scales), attributes, constants=frozenset({2}))


@draws
def grid_sample(r: Random) -> Case:
    x = floats(r, 2, 2, int(r.integers(1, 6)), int(r.integers(1, 6)))
    grid = (r.random((2, 3, 4, 2)) * 2.8 - 1.4).astype(np.float32)
    return Case("GridSample", (x, grid), {
        "mode": one_of(r, "linear", "nearest", "cubic", "cubic"),
        "padding_mode": one_of(r, "zeros", "border", "reflection"),
        "align_corners": int(r.integers(2)),
    })  # fmt: skip


@draws
def grid_sample_3d(r: Random) -> Case:
    x = floats(r, 1, 2, 3, int(r.integers(1, 5)), int(r.integers(2, 5)))
    grid = (r.random((1, 2, 3, 2, 3)) * 2.8 - 1.4).astype(np.float32)
    return Case("GridSample", (x, grid), {
        "mode": one_of(r, "linear", "nearest"),
        "padding_mode": one_of(r, "zeros", "border", "reflection"),
        "align_corners": int(r.integers(2)),
    })  # fmt: skip


def _pads(r: Random, kernel: list[int], rank: int) -> list[int]:
    begin = [int(r.integers(0, k)) for k in kernel]
    return begin + [int(r.integers(0, k)) for k in kernel]


def _window(r: Random, rank: int) -> dict[str, Any]:
    kernel = [int(r.integers(1, 4)) for _ in range(rank)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, **some(r, strides=[int(r.integers(1, 4)) for _ in kernel])}
    if r.random() < 0.6:
        attributes["pads"] = _pads(r, kernel, rank)
    elif r.random() < 0.5:
        attributes["auto_pad"] = one_of(r, "SAME_UPPER", "SAME_LOWER", "VALID")
    if "auto_pad" not in attributes:
        attributes |= some(r, ceil_mode=1)
    return attributes


@draws
def max_pool(r: Random) -> Case:
    rank = one_of(r, 1, 2, 2, 3)
    x = r.integers(-4, 5, (2, 3, *(int(r.integers(6, 9)) for _ in range(rank)))).astype(
        one_of(r, np.float32, np.float32, np.int8)
    )
    attributes = _window(r, rank)
    if "auto_pad" not in attributes:
        attributes |= some(r, dilations=[int(r.integers(1, 3)) for _ in range(rank)])
    with_indices = r.random() < 0.6
    if with_indices and r.random() < 0.4:
        attributes["storage_order"] = 1
    return Case("MaxPool", (x,), attributes, ("y", "i") if with_indices else ("y",))


@draws
def average_pool(r: Random) -> Case:
    rank = one_of(r, 1, 2, 2, 3)
    x = floats(r, 1, 2, *(int(r.integers(6, 9)) for _ in range(rank)))
    attributes = {**_window(r, rank), **some(r, count_include_pad=1)}
    if "auto_pad" not in attributes:
        attributes |= some(r, dilations=[int(r.integers(1, 3)) for _ in range(rank)])
    return Case("AveragePool", (x,), attributes)


@draws
def lp_pool(r: Random) -> Case:
    rank = one_of(r, 1, 2, 2)
    x = floats(r, 1, 2, *(int(r.integers(6, 9)) for _ in range(rank)))
    attributes = {**_window(r, rank), "p": one_of(r, 1, 2, 3)}
    if "auto_pad" not in attributes:
        attributes |= some(r, dilations=[int(r.integers(1, 3)) for _ in range(rank)])
    return Case("LpPool", (x,), attributes)


@draws
def max_roi_pool(r: Random) -> Case:
    x = floats(r, 2, 2, 6, 7)
    start = r.integers(-1, 4, (4, 2))
    rois = np.concatenate([r.integers(0, 2, (4, 1)), start, start + r.integers(-1, 5, (4, 2))], 1).astype(np.float32)
    attributes = {"pooled_shape": [int(r.integers(1, 4)), int(r.integers(1, 4))], **some(r, spatial_scale=0.6)}
    return Case("MaxRoiPool", (x, rois), attributes, opset=21)


@draws
def roi_align(r: Random) -> Case:
    x = floats(r, 2, 2, 6, 7)
    start = r.random((3, 2)) * 4
    rois = np.concatenate([start, start + r.random((3, 2)) * 4], 1).astype(np.float32)
    attributes = {"mode": one_of(r, "avg", "max"), **some(r, output_height=2, output_width=3, sampling_ratio=2,
                  spatial_scale=0.7, coordinate_transformation_mode="output_half_pixel")}  # fmt: skip
    return Case("RoiAlign", (x, rois, r.integers(0, 2, 3)), attributes, opset=21)


@draws
def max_unpool(r: Random) -> Case:
    x = floats(r, 1, 2, 2, 2)
    places = np.stack([np.stack([r.permutation(16)[:4].reshape(2, 2) + 16 * c for c in range(2)])])
    return Case("MaxUnpool", (x, places), {"kernel_shape": [2, 2], "strides": [2, 2]})


@draws
def pad(r: Random) -> Case:
    mode = one_of(r, "constant", "edge", "reflect", "wrap")
    shape = [int(r.integers(4, 7)) for _ in range(2)]
    pads = r.integers(-1, 3, 4)
    inputs: tuple[Array | None, ...] = (floats(r, *shape), pads)
    if mode == "constant" and r.random() < 0.5:
        inputs = (*inputs, np.array(2.5, np.float32))
    return Case("Pad", inputs, {"mode": mode}, constants=frozenset({1}))


@draws
def conv(r: Random) -> Case:
    groups = one_of(r, 1, 1, 2)
    attributes = {**_window(r, 2), "group": groups}
    attributes.pop("ceil_mode", None)
    kernel = attributes["kernel_shape"]
    if "auto_pad" not in attributes:
        attributes |= some(r, dilations=[1, 2])
    x = floats(r, 1, 4, 8, 9)
    return Case("Conv", (x, floats(r, 4, 4 // groups, *kernel), one_of(r, None, floats(r, 4))), attributes)


@draws
def conv_transpose(r: Random) -> Case:
    groups = one_of(r, 1, 2)
    kernel, strides = [int(r.integers(1, 4)) for _ in range(2)], [int(r.integers(1, 3)) for _ in range(2)]
    attributes: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "group": groups}
    if r.random() < 0.5:
        attributes["pads"] = [int(r.integers(0, 2)) if k > 1 else 0 for k in kernel] * 2
    elif r.random() < 0.5 and all(k >= s for k, s in zip(kernel, strides)):
        attributes["auto_pad"] = one_of(r, "SAME_UPPER", "SAME_LOWER")
    if min(strides) > 1 and r.random() < 0.5 and "auto_pad" not in attributes:
        attributes["output_padding"] = [1, 0]
    x = floats(r, 1, 4, 4, 5)
    return Case("ConvTranspose", (x, floats(r, 4, 2, *kernel), one_of(r, None, floats(r, 2 * groups))), attributes)


@draws
def deform_conv(r: Random) -> Case:
    x = floats(r, 1, 2, 5, 5)
    offset = floats(r, 1, 8, 4, 4)
    return Case("DeformConv", (x, floats(r, 2, 2, 2, 2), offset, one_of(r, None, floats(r, 2)),
                one_of(r, None, floats(r, 1, 4, 4, 4))), {"kernel_shape": [2, 2]})  # fmt: skip


@draws
def col2im(r: Random) -> Case:
    return Case("Col2Im", (floats(r, 1, 8, 9), np.array([4, 4]), np.array([2, 2])), {}, constants=frozenset({1, 2}))


@draws
def center_crop_pad(r: Random) -> Case:
    return Case("CenterCropPad", (floats(r, 4, 5), np.array(r.integers(2, 8, 2))), {}, constants=frozenset({1}))


@draws
def affine_grid(r: Random) -> Case:
    return Case("AffineGrid", (floats(r, 2, 2, 3), np.array([2, 1, 3, 4])), some(r, align_corners=1),
                constants=frozenset({1}))  # fmt: skip


@draws
def lrn(r: Random) -> Case:
    return Case("LRN", (floats(r, 1, 6, 2, 2),), {"size": one_of(r, 1, 3, 5), **some(r, alpha=0.2, beta=0.6, bias=1.5)})


@draws
def quantized_convolution(r: Random) -> Case:
    x, w = r.integers(0, 256, (1, 2, 5, 5)).astype(np.uint8), r.integers(0, 256, (3, 2, 3, 3)).astype(np.uint8)
    zeros = np.array(120, np.uint8), np.array(130, np.uint8)
    attributes = some(r, pads=[1, 0, 1, 1], strides=[2, 1])
    if r.random() < 0.5:
        return Case("ConvInteger", (x, w, *zeros), attributes)
    s = [np.array(v, np.float32) for v in (0.02, 0.03, 0.5)]
    bias = one_of(r, None, r.integers(-900, 900, 3).astype(np.int32))
    return Case("QLinearConv", (x, s[0], zeros[0], w, s[1], zeros[1], s[2], np.array(127, np.uint8), bias), attributes)


@draws
def global_lp_pool(r: Random) -> Case:
    return Case("GlobalLpPool", (floats(r, 1, 2, 3, 4),), some(r, p=int(r.integers(1, 4))), opset=21)


@draws
def resize_of_axes(r: Random) -> Case:
    x = floats(r, 2, 3, 4, 5)
    attributes = {"mode": one_of(r, "nearest", "linear"), "axes": [2, 3],
                  "keep_aspect_ratio_policy": one_of(r, "stretch", "not_larger", "not_smaller")}  # fmt: skip
    sizes = np.array([int(r.integers(2, 9)), int(r.integers(2, 9))])
    return Case("Resize", (x, None, None, sizes), attributes, constants=frozenset({3}), opset=19)


@draws
def conv_of_ranks(r: Random) -> Case:
    rank = one_of(r, 1, 3)
    attributes = {k: v for k, v in _window(r, rank).items() if k != "ceil_mode"}
    x = floats(r, 2, 2, *(6,) * rank)
    return Case("Conv", (x, floats(r, 3, 2, *attributes["kernel_shape"]), floats(r, 3)), attributes)


@draws
def conv_transpose_of_ranks(r: Random) -> Case:
    rank = one_of(r, 1, 2, 3)
    attributes: dict[str, Any] = {"strides": [2] * rank, "kernel_shape": [3] * rank}
    if r.random() < 0.5:
        attributes["output_shape"] = [int(r.integers(7, 9)) for _ in range(rank)]
        attributes |= some(r, auto_pad=one_of(r, "SAME_UPPER", "SAME_LOWER"))
    else:
        attributes |= some(r, dilations=[2] * rank, pads=[1] * (2 * rank), output_padding=[1] * rank)
    return Case("ConvTranspose", (floats(r, 1, 2, *(4,) * rank), floats(r, 2, 3, *(3,) * rank)), attributes)
