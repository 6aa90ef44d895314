"""Precisions that a script sets for single layers, as rules for the build, and whether the plan keeps to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from burnish.errors import UserError
from burnish.precision.layers import keeps_to
from burnish.precision.precision import Decision
from burnish.precision.words import kind_of
from burnish.tensorrt.config import IBuilderConfig
from burnish.tensorrt.datatype import DataType
from burnish.tensorrt.interfaces import ILogger, Severity
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.network import Translation

WORDS = {
    DataType.FLOAT: "fp32",
    DataType.HALF: "fp16",
    DataType.BF16: "bf16",
    DataType.INT8: "int8",
    DataType.FP8: "fp8",
}
NONE_OBEYS = (
    "No implementation of layer {} obeys the requested constraints in strict mode. No conforming implementation was "
    "found i.e. requested layer computation precision and output precision types are ignored, using the fastest "
    "implementation."
)  # TensorRT's text


def layer_rules(
    translated: Translation, config: IBuilderConfig, logger: ILogger, has_ranges: bool
) -> dict[str, Any] | None:
    """A precision configuration for the build; None if no layer asks for anything that holds."""
    asked = {layer: word for layer, word in _asked(translated) if translated.nodes[layer]}
    if asked and not config.obeys_layers:
        names = ", ".join(layer.name for layer in list(asked)[:3]) + (" ..." if len(asked) > 3 else "")
        text = f"the precision of {len(asked)} layers ({names}) is a hint that changes nothing: set "
        logger.log(Severity.WARNING, text + "OBEY_PRECISION_CONSTRAINTS or PREFER_PRECISION_CONSTRAINTS")
        return None
    rules = [
        {"nodes": list(translated.nodes[layer]), "precision": word}
        for layer, word in asked.items()
        if not kind_of(word) or has_ranges
    ]
    return {"layers": rules} if rules else None


def check_layers(
    translated: Translation, config: IBuilderConfig, logger: ILogger, decisions: Iterable[Decision]
) -> None:
    """Say which layers do not compute as asked. E658 for one that must."""
    if not config.obeys_layers:
        return
    now = {row.node: row.now for row in decisions}
    for layer, word in _asked(translated):
        found = [now[node] for node in translated.nodes[layer] if node in now]
        if found and not any(keeps_to(text, word) for text in found):
            if config.must_obey_layers:
                why = f"it was asked to compute in {word}, and would in {found[0]}"
                hint = "PREFER_PRECISION_CONSTRAINTS builds it all the same"
                raise UserError("E658", f"layer '{layer.name}' cannot compute as asked", why=why, hint=hint)
            logger.log(Severity.WARNING, NONE_OBEYS.format(layer.name))


def _asked(translated: Translation) -> Iterator[tuple[ILayer, str]]:
    for layer in translated.nodes:
        if layer.precision_is_set and layer.precision in WORDS:
            yield layer, WORDS[layer.precision]
