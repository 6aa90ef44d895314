"""Layers that read at computed places: slice with its sample modes, resize, grid sample, non-maximum suppression."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.enums import (
    BoundingBoxFormat,
    InterpolationMode,
    LayerType,
    ResizeCoordinateTransformation,
    ResizeRoundMode,
    ResizeSelector,
    SampleMode,
)
from burnish.tensorrt.layers.shape import as_i64
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import ITensor

__all__ = ["IGridSampleLayer", "INMSLayer", "IResizeLayer", "ISliceLayer"]


class ISliceLayer(ILayer):
    """out[i] = input[start + i * stride], i < shape. Inputs 1 to 5: start, shape, stride, fill value, axes."""

    layer_type = LayerType.SLICE

    def __init__(self, input: ITensor, start: Iterable[int], shape: Iterable[int], stride: Iterable[int]) -> None:
        super().__init__(input)
        self.start, self.shape, self.stride = Dims(start), Dims(shape), Dims(stride)
        self.mode = SampleMode.STRICT_BOUNDS

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        axes = [as_i64(graph, self, inputs, 5)] if self.has_input(5) else []
        if any(self.has_input(n) for n in (1, 2, 3)):
            self._require_strict_bounds("start, shape and stride")
            return [self._dynamic(graph, inputs, axes)]
        data, start = inputs[0], list(self.start)
        if self.mode is not SampleMode.STRICT_BOUNDS:
            data, start = self._padded(graph, inputs, start)
        ends = [_end(b, s, d) for b, s, d in zip(start, self.shape, self.stride)]
        where = axes or [graph.integers(range(len(start)))]
        return [
            graph.node("Slice", data, graph.integers(start), graph.integers(ends), *where, graph.integers(self.stride))
        ]

    def _dynamic(self, graph: Emission, inputs: Sequence[str], axes: list[str]) -> str:
        given = [
            as_i64(graph, self, inputs, n) if self.has_input(n) else graph.integers(value)
            for n, value in ((1, self.start), (2, self.shape), (3, self.stride))
        ]
        start, shape, stride = given
        ends = graph.node("Add", start, graph.node("Mul", shape, stride))
        below = graph.node("Less", ends, graph.constant(0, np.int64))  # a negative stride that passes element 0
        ends = graph.node("Where", below, graph.constant(np.iinfo(np.int64).min, np.int64), ends)
        if not axes:
            axes = [graph.integers(range(self.input().rank))]
        return graph.node("Slice", inputs[0], start, ends, *axes, stride)

    def _padded(self, graph: Emission, inputs: Sequence[str], start: list[int]) -> tuple[str, list[int]]:
        """The input, padded with the elements that the slice reads beyond its bounds, and the start within it."""
        sizes = self.input().shape
        self._require_strict_bounds("the input's sizes", known=-1 not in sizes and not self.has_input(5))
        last = [b + (n - 1) * d for b, n, d in zip(start, self.shape, self.stride)]
        before = [max(-min(b, e), 0) for b, e in zip(start, last)]
        after = [max(max(b, e) + 1 - size, 0) for b, e, size in zip(start, last, sizes)]
        if not any(before) and not any(after):
            return inputs[0], start
        modes = {SampleMode.FILL: "constant", SampleMode.CLAMP: "edge", SampleMode.REFLECT: "reflect"}
        fill = [inputs[4]] if self.has_input(4) else []
        mode = modes.get(self.mode, "wrap")
        padded = graph.node("Pad", inputs[0], graph.integers([*before, *after]), *fill, mode=mode)
        return padded, [b + p for b, p in zip(start, before)]

    def _require_strict_bounds(self, what: str, known: bool = False) -> None:
        if self.mode is not SampleMode.STRICT_BOUNDS and not known:
            raise UserError(
                "E656",
                f"layer '{self.name}': {self.mode} needs {what} to be known when building",
                hint="give fixed sizes, or use SampleMode.STRICT_BOUNDS",
            )


def _end(start: int, count: int, stride: int) -> int:
    """ONNX's exclusive end; one that passes element 0 downwards is written as the lowest integer."""
    end = start + count * stride
    return np.iinfo(np.int64).min if end < 0 else end


class IResizeLayer(ILayer):
    """To `shape`, or input 1, or by `scales`."""

    layer_type = LayerType.RESIZE

    def __init__(self, input: ITensor) -> None:
        super().__init__(input)
        self.shape: Iterable[int] | None = None
        self.scales: Iterable[float] | None = None
        self.resize_mode = InterpolationMode.NEAREST
        self.coordinate_transformation = ResizeCoordinateTransformation.ASYMMETRIC
        self.selector_for_single_pixel = ResizeSelector.FORMULA
        self.nearest_rounding = ResizeRoundMode.FLOOR
        self.exclude_outside = False
        self.cubic_coeff = -0.75

    @property
    def align_corners(self) -> bool:
        """TensorRT 8's name for ALIGN_CORNERS."""
        return self.coordinate_transformation is ResizeCoordinateTransformation.ALIGN_CORNERS

    @align_corners.setter
    def align_corners(self, value: bool) -> None:
        kinds = ResizeCoordinateTransformation
        self.coordinate_transformation = kinds.ALIGN_CORNERS if value else kinds.ASYMMETRIC

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        transformation = self.coordinate_transformation.name.lower()
        if transformation == "half_pixel" and self.selector_for_single_pixel is ResizeSelector.UPPER:
            transformation = "pytorch_half_pixel"
        attributes: dict[str, Any] = {
            "mode": self.resize_mode.name.lower(),
            "coordinate_transformation_mode": transformation,
            "exclude_outside": int(self.exclude_outside),
            "cubic_coeff_a": float(self.cubic_coeff),
            "nearest_mode": _ROUNDING[self.nearest_rounding],
        }
        if self.has_input(1):
            return [graph.node("Resize", inputs[0], "", "", as_i64(graph, self, inputs, 1), **attributes)]
        if self.shape is not None:
            return [graph.node("Resize", inputs[0], "", "", graph.integers(list(self.shape)), **attributes)]
        if self.scales is None:
            raise UserError("E651", f"resize layer '{self.name}' has neither shape nor scales")
        return [graph.node("Resize", inputs[0], "", graph.constant(list(self.scales), np.float32), **attributes)]


_ROUNDING = {
    ResizeRoundMode.HALF_UP: "round_prefer_ceil",
    ResizeRoundMode.HALF_DOWN: "round_prefer_floor",
    ResizeRoundMode.FLOOR: "floor",
    ResizeRoundMode.CEIL: "ceil",
}


class IGridSampleLayer(ILayer):
    """input [N,C,H,W] read at grid [N,H',W',2] of coordinates in -1..1."""

    layer_type = LayerType.GRID_SAMPLE

    def __init__(self, input: ITensor, grid: ITensor) -> None:
        super().__init__(input, grid)
        self.interpolation_mode, self.align_corners, self.sample_mode = InterpolationMode.LINEAR, False, SampleMode.FILL

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        padding = {SampleMode.FILL: "zeros", SampleMode.CLAMP: "border", SampleMode.REFLECT: "reflection"}
        if self.sample_mode not in padding:
            raise UserError("E656", f"layer '{self.name}': grid sample has no {self.sample_mode}")
        attributes = {"padding_mode": padding[self.sample_mode], "align_corners": int(self.align_corners)}
        return [graph.node("GridSample", *inputs, mode=self.interpolation_mode.name.lower(), **attributes)]


class INMSLayer(ILayer):
    """boxes [N,B,4], scores [N,B,C], boxes per class; inputs 3 and 4: overlap and score thresholds.

    outputs: the selected [count, 3] of (batch, class, box), and their count
    """

    layer_type = LayerType.NMS

    def __init__(self, boxes: ITensor, scores: ITensor, max_output: ITensor, indices_type: DataType) -> None:
        super().__init__(boxes, scores, max_output, outputs=2)
        self.bounding_box_format, self.topk_box_limit = BoundingBoxFormat.CORNER_PAIRS, 5000
        self.indices_type = indices_type

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        boxes, scores = inputs[0], graph.node("Transpose", inputs[1], perm=[0, 2, 1])
        if self.input().rank == 4:  # [N,B,1,4]: one set of boxes for all classes
            boxes = graph.node("Squeeze", boxes, graph.integers([2]))
        limits = [as_i64(graph, self, inputs, 2)]
        limits += [inputs[n] if self.has_input(n) else "" for n in (3, 4)]
        center = int(self.bounding_box_format is BoundingBoxFormat.CENTER_SIZES)
        found = graph.node("NonMaxSuppression", boxes, scores, *limits, center_point_box=center)
        number = burnish_dtype(self.indices_type).onnx
        count = graph.node("Squeeze", graph.node("Shape", found, start=0, end=1), graph.integers([0]))
        return [graph.node("Cast", found, to=number), graph.node("Cast", count, to=burnish_dtype(DataType.INT32).onnx)]
