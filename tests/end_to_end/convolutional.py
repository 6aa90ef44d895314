"""ResNet, MobileNetV2, EfficientNet and ConvNeXt, as the TorchScript exporter writes Hugging Face's models.

Each takes its depth, width and classes, so that tests run small ones; the image's height and width are `pixels`,
and the batch is the symbol `batch`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from tests.end_to_end.exporter import Exporter

CLASSES = 10


def image(pixels: int) -> list[onnx.ValueInfoProto]:
    return [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["batch", 3, pixels, pixels])]


def resnet(
    depths: Sequence[int] = (1, 2),
    stem: int = 16,
    widths: Sequence[int] = (32, 64),
    pixels: int = 48,
    folded: bool = True,
) -> bytes:
    """Bottleneck ResNet; ResNet-50: depths 3, 4, 6, 3, stem 64, widths 256 to 2048, 224 pixels."""
    g = Exporter(1, folded)
    x = g.node("Relu", g.conv("pixel_values", 3, stem, 7, stride=2, pad=3))
    x = g.node("MaxPool", x, ceil_mode=0, dilations=[1, 1], kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    inputs = stem
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        for block in range(depth):
            stride = 2 if stage and not block else 1
            y = g.node("Relu", g.conv(x, inputs, width // 4, 1))
            y = g.node("Relu", g.conv(y, width // 4, width // 4, 3, stride=stride, pad=1))
            y = g.conv(y, width // 4, width, 1, gain=0.6)
            shortcut = g.conv(x, inputs, width, 1, stride=stride, gain=1.0) if not block else x
            x, inputs = g.node("Relu", g.node("Add", y, shortcut)), width
    x = g.node("Flatten", g.node("GlobalAveragePool", x), axis=1)
    return g.model(image(pixels), g.classifier(x, inputs, CLASSES), "logits", ["batch", CLASSES])


def _padded(g: Exporter, x: str, inputs: int, outputs: int, kernel: int, **options: float) -> str:
    """A convolution with TensorFlow's padding: a Pad before it, even where it pads nothing."""
    stride = options.get("stride", 1)
    whole = max(kernel - stride, 0)
    before = whole // 2
    x = g.pad(x, *[int(v) for v in (before, whole - before, before, whole - before)])
    return g.conv(x, inputs, outputs, kernel, **options)


def _relu6(g: Exporter, x: str) -> str:
    return g.node("Clip", x, g.constant(0, np.float32), g.constant(6, np.float32))


# expansion, outputs, blocks, stride of the first
MOBILENET_V2 = ((6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def mobilenet_v2(
    stages: Sequence[tuple[int, int, int, int]] = ((6, 8, 2, 2), (4, 16, 2, 2)),
    stem: int = 16,
    last: int = 64,
    pixels: int = 48,
    folded: bool = True,
) -> bytes:
    """Inverted residuals; MobileNetV2: stages MOBILENET_V2, stem 32, last 1280, 224 pixels."""
    g = Exporter(2, folded)
    x = _relu6(g, _padded(g, "pixel_values", 3, stem, 3, stride=2))
    x = _relu6(g, _padded(g, x, stem, stem, 3, group=stem))
    inputs = stem // 2
    x = _padded(g, x, stem, inputs, 1, gain=1.0)
    for expansion, outputs, blocks, first in stages:
        for block in range(blocks):
            hidden, stride = inputs * expansion, 1 if block else first
            y = _relu6(g, _padded(g, x, inputs, hidden, 1))
            y = _relu6(g, _padded(g, y, hidden, hidden, 3, stride=stride, group=hidden))
            y = _padded(g, y, hidden, outputs, 1, gain=1.0)
            x = g.node("Add", x, y) if block else y
            inputs = outputs
    x = _relu6(g, _padded(g, x, inputs, last, 1))
    x = g.node("Flatten", g.node("GlobalAveragePool", x), axis=1)
    return g.model(image(pixels), g.classifier(x, last, CLASSES), "logits", ["logits_dim_0", CLASSES])


def _squeeze_excite(g: Exporter, x: str, width: int, squeezed: int) -> str:
    y = g.node("GlobalAveragePool", x)
    y = g.silu(g.conv(y, width, squeezed, 1, auto_pad="SAME_UPPER", norm=False))
    y = g.node("Sigmoid", g.conv(y, squeezed, width, 1, auto_pad="SAME_UPPER", norm=False))
    return g.node("Mul", x, y)


# expansion, outputs, blocks, stride of the first, kernel
EFFICIENTNET_B0 = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)


def efficientnet(
    stages: Sequence[tuple[int, int, int, int, int]] = ((1, 8, 1, 1, 3), (4, 16, 2, 2, 5)),
    stem: int = 16,
    last: int = 64,
    pixels: int = 48,
    folded: bool = True,
) -> bytes:
    """Squeeze and excite, SiLU; EfficientNet-B0: stages EFFICIENTNET_B0, stem 32, last 1280, 224 pixels."""
    g = Exporter(3, folded)
    x = g.conv(g.pad("pixel_values", 0, 1, 0, 1), 3, stem, 3, stride=2, auto_pad="VALID")
    x, inputs = g.silu(x), stem
    for expansion, outputs, blocks, first, kernel in stages:
        for block in range(blocks):
            y, hidden, stride = x, inputs * expansion, 1 if block else first
            if expansion != 1:
                y = g.silu(g.conv(y, inputs, hidden, 1, auto_pad="SAME_UPPER"))
            if stride == 2:
                after = kernel // 2
                y = g.pad(y, after - 1, after, after - 1, after)
            y = g.conv(
                y,
                hidden,
                hidden,
                kernel,
                stride=stride,
                group=hidden,
                auto_pad="VALID" if stride == 2 else "SAME_UPPER",
            )
            y = _squeeze_excite(g, g.silu(y), hidden, max(1, inputs // 4))
            y = g.conv(y, hidden, outputs, 1, auto_pad="SAME_UPPER", gain=0.8 if block else 2.0)
            x = g.node("Add", y, x) if block else y
            inputs = outputs
    x = g.silu(g.conv(x, inputs, last, 1, auto_pad="SAME_UPPER"))
    x = g.node(
        "AveragePool", x, ceil_mode=1, count_include_pad=1, kernel_shape=[last] * 2, pads=[0] * 4, strides=[last] * 2
    )  # Hugging Face's pooler: a window as wide as the channels are many, cut at the border
    x = g.reshape(x, g.shape(g.size(x, 0), g.size(x, 1)))
    return g.model(image(pixels), g.classifier(x, last, CLASSES), "logits", ["logits_dim_0", CLASSES])


def convnext(
    depths: Sequence[int] = (1, 2), widths: Sequence[int] = (16, 32), pixels: int = 48, folded: bool = True
) -> bytes:
    """Depthwise 7x7, LayerNorm with channels last; ConvNeXt-T: depths 3, 3, 9, 3, widths 96 to 768, 224 pixels."""
    g = Exporter(4, folded)

    def channels_last_norm(x: str, width: int) -> str:
        x = g.layer_norm(g.node("Transpose", x, perm=[0, 2, 3, 1]), width, 1e-6)
        return g.node("Transpose", x, perm=[0, 3, 1, 2])

    inputs = widths[0]
    x = channels_last_norm(g.conv("pixel_values", 3, inputs, 4, stride=4, norm=False, gain=1.0), inputs)
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
        if stage:
            x = g.conv(channels_last_norm(x, inputs), inputs, width, 2, stride=2, norm=False, gain=1.0)
        inputs = width
        for _ in range(depth):
            y = g.conv(x, width, width, 7, pad=3, group=width, norm=False, gain=1.0)
            y = g.layer_norm(g.node("Transpose", y, perm=[0, 2, 3, 1]), width, 1e-6)
            y = g.linear(g.gelu(g.linear(y, width, 4 * width)), 4 * width, width, 1.5)
            scale = g.parameter(g.random.uniform(0.2, 0.6, width))
            x = g.node("Add", x, g.node("Transpose", g.node("Mul", scale, y), perm=[0, 3, 1, 2]))
    x = g.layer_norm(g.node("ReduceMean", x, axes=[-2, -1], keepdims=0), inputs, 1e-12)
    return g.model(image(pixels), g.classifier(x, inputs, CLASSES), "logits", ["batch", CLASSES])
