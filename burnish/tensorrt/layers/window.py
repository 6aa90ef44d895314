"""Layers that slide a window: convolution, deconvolution, pooling, padding; and TensorRT 8's fully connected layer.

Weights of a convolution lie as [outputs, inputs / groups, kernel...], of a deconvolution as [inputs, outputs / groups,
kernel...], flat or shaped. Padding modes follow TensorRT's PaddingMode: O = floor or ceil((I + B + A - DK) / S) + 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from burnish.errors import UserError
from burnish.tensorrt.dims import Dims, weights_array
from burnish.tensorrt.enums import LayerType, PaddingMode, PoolingType
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import ITensor

__all__ = ["IConvolutionLayer", "IDeconvolutionLayer", "IFullyConnectedLayer", "IPaddingLayer", "IPoolingLayer"]


class WindowLayer(ILayer):
    """The common part of convolutions and poolings: window, stride, padding, with TensorRT 10's and 8's names."""

    def __init__(self, input: ITensor, window: Iterable[int]) -> None:
        super().__init__(input)
        self.window = Dims(window)
        ones = [1] * len(self.window)
        self.stride_nd: Sequence[int] = Dims(ones)
        self.pre_padding: Sequence[int] = Dims([0] * len(ones))
        self.post_padding: Sequence[int] = Dims([0] * len(ones))
        self.dilation_nd: Sequence[int] = Dims(ones)
        self.padding_mode = PaddingMode.EXPLICIT_ROUND_DOWN

    @property
    def padding_nd(self) -> Sequence[int]:
        """Setting it sets pre_padding and post_padding."""
        return self.pre_padding

    @padding_nd.setter
    def padding_nd(self, value: Sequence[int]) -> None:
        self.pre_padding, self.post_padding = Dims(value), Dims(value)

    @property
    def padding(self) -> Sequence[int]:
        return self.padding_nd

    @padding.setter
    def padding(self, value: Sequence[int]) -> None:
        self.padding_nd = value

    @property
    def stride(self) -> Sequence[int]:
        return self.stride_nd

    @stride.setter
    def stride(self, value: Sequence[int]) -> None:
        self.stride_nd = value

    @property
    def dilation(self) -> Sequence[int]:
        return self.dilation_nd

    @dilation.setter
    def dilation(self, value: Sequence[int]) -> None:
        self.dilation_nd = value

    def pads(self) -> dict[str, Any]:
        """ONNX's padding attributes; rounding up is left to the caller."""
        if self.padding_mode in (PaddingMode.SAME_UPPER, PaddingMode.SAME_LOWER):
            return {"auto_pad": self.padding_mode.name}
        return {"pads": [*self.pre_padding, *self.post_padding]}

    def pads_rounded_up(self) -> dict[str, Any]:
        """For operators without a ceil mode: as many zeros more at the end as make the last window whole."""
        attributes = self.pads()
        if self.padding_mode is not PaddingMode.EXPLICIT_ROUND_UP:
            return attributes
        shape = self.input().shape[2:]
        for n, size in enumerate(shape):
            if self.stride_nd[n] == 1:
                continue
            if size < 0:
                raise UserError(
                    "E651",
                    f"layer '{self.name}': EXPLICIT_ROUND_UP needs to know dimension {n + 2} of its input",
                    hint="use EXPLICIT_ROUND_DOWN, or give the network's input fixed sizes",
                )
            reach = size + self.pre_padding[n] + self.post_padding[n] - 1 - self.dilation_nd[n] * (self.window[n] - 1)
            attributes["pads"][len(shape) + n] += -reach % self.stride_nd[n]
        return attributes


class IConvolutionLayer(WindowLayer):
    """Kernel and bias are weights, or come as inputs 1 and 2."""

    layer_type = LayerType.CONVOLUTION

    def __init__(self, input: ITensor, num_output_maps: int, window: Iterable[int], kernel: Any, bias: Any) -> None:
        super().__init__(input, window)
        self.num_output_maps, self.num_groups, self.kernel, self.bias = num_output_maps, 1, kernel, bias

    @property
    def kernel_size_nd(self) -> Dims:
        return self.window

    @kernel_size_nd.setter
    def kernel_size_nd(self, value: Iterable[int]) -> None:
        self.window = Dims(value)

    kernel_size = kernel_size_nd

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        operands = [inputs[0], self._kernel(graph, inputs, self.num_output_maps), *self._bias(graph, inputs)]
        attributes = {"strides": list(self.stride_nd), "dilations": list(self.dilation_nd), "group": self.num_groups}
        return [graph.node("Conv", *operands, kernel_shape=list(self.window), **attributes, **self.pads_rounded_up())]

    def _kernel(self, graph: Emission, inputs: Sequence[str], first: int) -> str:
        """The kernel as [first, rest..., window]; E651 if the count of weights does not allow it."""
        if self.has_input(1):
            return inputs[1]
        kernel = weights_array(self.kernel)
        window = int(np.prod(self.window))
        if kernel is None or first <= 0 or kernel.size % (first * window):
            raise UserError(
                "E651",
                f"layer '{self.name}' has {0 if kernel is None else kernel.size} kernel weights",
                why=f"a multiple of {first} x {window} is needed: {first} maps, window {self.window}",
            )
        return graph.constant(kernel.reshape(first, -1, *self.window))

    def _bias(self, graph: Emission, inputs: Sequence[str]) -> list[str]:
        if self.has_input(2):
            return [inputs[2]]
        bias = weights_array(self.bias)
        if bias is None:
            return []
        if bias.size != self.num_output_maps:
            raise UserError(
                "E651", f"layer '{self.name}' has {bias.size} bias weights for {self.num_output_maps} output maps"
            )
        return [graph.constant(bias.reshape(-1))]


class IDeconvolutionLayer(IConvolutionLayer):
    """O = (I - 1) * S + DK - (B + A)."""

    layer_type = LayerType.DECONVOLUTION

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        channels = self.input().shape[1]
        operands = [inputs[0], self._kernel(graph, inputs, channels), *self._bias(graph, inputs)]
        attributes = {"strides": list(self.stride_nd), "dilations": list(self.dilation_nd), "group": self.num_groups}
        if self.padding_mode in (PaddingMode.SAME_UPPER, PaddingMode.SAME_LOWER):
            totals = [max(1 + d * (k - 1) - s, 0) for d, k, s in zip(self.dilation_nd, self.window, self.stride_nd)]
            less, more = [t // 2 for t in totals], [t - t // 2 for t in totals]
            pads = [*less, *more] if self.padding_mode is PaddingMode.SAME_UPPER else [*more, *less]
        else:
            pads = [*self.pre_padding, *self.post_padding]
        return [graph.node("ConvTranspose", *operands, kernel_shape=list(self.window), pads=pads, **attributes)]


class IPoolingLayer(WindowLayer):
    """MAX, AVERAGE, or MAX_AVERAGE_BLEND = (1 - blend_factor) * max + blend_factor * average."""

    layer_type = LayerType.POOLING

    def __init__(self, input: ITensor, kind: PoolingType, window: Iterable[int]) -> None:
        super().__init__(input, window)
        self._kind = kind
        self.blend_factor = 0.0
        self.average_count_excludes_padding = True

    @property
    def type(self) -> PoolingType:
        return self._kind

    @type.setter
    def type(self, value: PoolingType) -> None:
        self._kind = value
        self.changed()

    @property
    def window_size_nd(self) -> Dims:
        return self.window

    @window_size_nd.setter
    def window_size_nd(self, value: Iterable[int]) -> None:
        self.window = Dims(value)

    window_size = window_size_nd

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        attributes = {
            "kernel_shape": list(self.window),
            "strides": list(self.stride_nd),
            "ceil_mode": int(self.padding_mode is PaddingMode.EXPLICIT_ROUND_UP),
            **self.pads(),
        }
        included = int(not self.average_count_excludes_padding)
        if self._kind is PoolingType.MAX:
            return [graph.node("MaxPool", inputs[0], **attributes)]
        average = graph.node("AveragePool", inputs[0], count_include_pad=included, **attributes)
        if self._kind is PoolingType.AVERAGE:
            return [average]
        largest = graph.node("MaxPool", inputs[0], **attributes)
        dtype = np.float32 if self.input().facts.elem_type == 1 else np.float16
        scaled = [
            graph.node("Mul", value, graph.constant(factor, dtype))
            for value, factor in ((largest, 1 - self.blend_factor), (average, self.blend_factor))
        ]
        return [graph.node("Add", *scaled)]


class IPaddingLayer(ILayer):
    """Zeros around the last two dimensions; negative padding cuts."""

    layer_type = LayerType.PADDING

    def __init__(self, input: ITensor, pre_padding: Iterable[int], post_padding: Iterable[int]) -> None:
        super().__init__(input)
        self.pre_padding_nd, self.post_padding_nd = Dims(pre_padding), Dims(post_padding)

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        value = inputs[0]
        rank, count = self.input().rank, len(self.pre_padding_nd)
        axes = list(range(rank - count, rank))
        cut_before = [max(-p, 0) for p in self.pre_padding_nd]
        cut_after = [max(-p, 0) for p in self.post_padding_nd]
        if any(cut_before) or any(cut_after):
            ends = [-c if c else np.iinfo(np.int64).max for c in cut_after]
            value = graph.node("Slice", value, *(graph.integers(v) for v in (cut_before, ends, axes)))
        pads = [max(p, 0) for p in (*self.pre_padding_nd, *self.post_padding_nd)]
        if any(pads):
            value = graph.node("Pad", value, graph.integers(pads), "", graph.integers(axes))
        return [value] if value != inputs[0] else [graph.node("Identity", value)]


class IFullyConnectedLayer(ILayer):
    """TensorRT 8's [N,C,H,W] -> [N,K,1,1]: the last three dimensions times K x CHW weights, plus a bias."""

    layer_type = LayerType.FULLY_CONNECTED

    def __init__(self, input: ITensor, num_outputs: int, kernel: Any, bias: Any) -> None:
        super().__init__(input)
        self.num_output_channels, self.kernel, self.bias = num_outputs, kernel, bias

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        kernel, bias = weights_array(self.kernel), weights_array(self.bias)
        if kernel is None or kernel.size % self.num_output_channels or self.input().rank != 4:
            raise UserError(
                "E651",
                f"layer '{self.name}' needs an input [N,C,H,W] and K x CHW weights",
                why=f"the input is {self.input().shape}, there are {0 if kernel is None else kernel.size} weights",
            )
        operands = [
            graph.node("Flatten", inputs[0], axis=1),
            graph.constant(kernel.reshape(self.num_output_channels, -1)),
        ]
        if bias is not None:
            operands.append(graph.constant(bias.reshape(-1)))
        product = graph.node("Gemm", *operands, transB=1)
        return [graph.node("Unsqueeze", product, graph.integers([2, 3]))]
