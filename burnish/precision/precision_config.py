"""A precision configuration: rules for some nodes, in a TOML file or as the same mapping.

[[layers]]
nodes = ["/encoder/layer.0/*"]           # patterns: * is any text
precision = "fp32"

[[layers]]
operators = ["Gemm"]
region = ["/neck/Conv", "/head/Conv"]    # what lies between these two, both included
precision = "int8"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from burnish.errors import UserError
from burnish.precision.layers import WORDS, LayerRule, rules_of

PrecisionConfig = str | os.PathLike[str] | Mapping[str, Any] | None
CONDITIONS = ("nodes", "operators", "region")


def read_precision_config(given: PrecisionConfig) -> tuple[LayerRule, ...]:
    """The rules of a file or a mapping, in order. E732 if it cannot be read, or is not of the form above."""
    if given is None:
        return ()
    where = "" if isinstance(given, Mapping) else str(given)
    try:
        content = given if isinstance(given, Mapping) else tomllib.loads(Path(given).read_text(encoding="utf-8"))
        _check(content)
    except (OSError, TypeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise UserError(
            "E732",
            "a precision configuration cannot be used",
            where=where,
            why=why,
            hint='[[layers]] with nodes, operators or region, and precision = "fp32" (docs/quantization.md)',
        ) from error
    return rules_of(content["layers"])


def _check(content: Mapping[str, Any]) -> None:
    """ValueError unless it has the form above."""
    layers = content.get("layers")
    if set(content) != {"layers"} or not isinstance(layers, list | tuple):
        raise ValueError(
            f"it must hold [[layers]] and nothing else; it holds {', '.join(map(str, content)) or 'nothing'}"
        )
    for number, entry in enumerate(layers, 1):
        if not isinstance(entry, Mapping):
            raise ValueError(f"layers {number} is no table")
        unknown = set(entry) - {"precision", *CONDITIONS}
        if unknown:
            raise ValueError(f"layers {number} has '{min(unknown)}'; there are {', '.join(CONDITIONS)} and precision")
        if entry.get("precision") not in WORDS:
            raise ValueError(
                f"layers {number}: precision is {entry.get('precision')!r}; it is one of {', '.join(WORDS)}"
            )
        if not any(entry.get(key) for key in CONDITIONS):
            raise ValueError(f"layers {number} says no nodes, operators or region")
        _check_texts(number, entry)


def _check_texts(number: int, entry: Mapping[str, Any]) -> None:
    for key in CONDITIONS:
        texts = entry.get(key, ())
        texts = (texts,) if isinstance(texts, str) and key != "region" else texts
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) and text for text in texts):
            raise ValueError(f"layers {number}: {key} must be a list of texts")
        if key == "region" and texts and len(texts) != 2:
            raise ValueError(f"layers {number}: a region is two names, of its first node and of its last")
