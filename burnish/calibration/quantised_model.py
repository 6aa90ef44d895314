"""The quantised model as ONNX: what `build(precision="int8")` compiles, for other tools to run and to check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import onnx_ir as ir

from burnish.building.analyze import prepare
from burnish.passes.pipeline import PORTABLE
from burnish.precision.precision import INT8, parse_precision
from burnish.precision.precision_config import PrecisionConfig, read_precision_config
from burnish.precision.quantise.write_codes import write_codes
from burnish.precision.ranges import Ranges

SPELLED_OUT = tuple(p for p in PORTABLE if p.name not in ("fuse_attention", "narrow_mask"))  # few tools run Attention
OLDEST = 13  # the opset in which DequantizeLinear takes a scale for each channel


def quantised_model(
    model: Any,
    ranges: Ranges,
    *,
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    precision_config: PrecisionConfig = None,
) -> onnx.ModelProto:
    """The optimised model with QuantizeLinear and DequantizeLinear around its products; arguments as for `build`.

    Sums of integers are rounded once there, too; a tool that computes them in f32 may differ by a code at ties
    (docs/quantization.md).
    """
    found = prepare(model, shapes=shapes, profile=profile, batch=batch, passes=SPELLED_OUT)
    graph = found.imported.model.graph
    wanted = parse_precision(INT8, None, ranges, read_precision_config(precision_config))
    write_codes(graph, wanted)
    return in_oldest_opset(ir.to_proto(found.imported.model))


def in_oldest_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    """The same model in the oldest opset that has all it uses, since other tools lag behind ONNX.

    Operators that changed since then have only gained types and attributes, which the checker looks for.
    """
    (own,) = (entry for entry in proto.opset_import if entry.domain in ("", "ai.onnx"))
    newest = own.version
    for version in range(OLDEST, newest + 1):
        own.version = version
        try:
            onnx.checker.check_model(proto, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
            continue
        break
    return proto
