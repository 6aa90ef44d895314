"""Models older than opset 7 are first brought to it by ONNX's own converter."""

from __future__ import annotations

import onnx
from onnx import version_converter

from burnish.errors import UserError

MINIMUM_OPSET = 7


def raise_to_minimum(proto: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """The model itself from opset 7 on, else its conversion.

    raises:  E106 where ONNX cannot convert it
    """
    version = max((o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")), default=MINIMUM_OPSET)
    if version >= MINIMUM_OPSET:
        return proto
    try:
        converted: onnx.ModelProto = version_converter.convert_version(proto, MINIMUM_OPSET)
    except RuntimeError as error:  # what the converter raises for all it cannot do
        raise UserError(
            "E106",
            f"opset {version} is too old",
            where=name,
            why=f"ONNX's converter to opset {MINIMUM_OPSET} says: {' '.join(str(error).split())[:200]}",
            hint=f"export with opset {MINIMUM_OPSET} or newer",
        ) from None
    return converted
