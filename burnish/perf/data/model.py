"""What the server says of the model that is measured, and the shapes that its requests will have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnish.errors import UserError


@dataclass(frozen=True, slots=True)
class Input:
    """shape: without the batch's dimension; -1 where the model takes any size. is_optional: may be left out."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Model:
    """max_batch: 0 if requests have no batch dimension. composing: models that an ensemble runs, without itself."""

    name: str
    version: str
    platform: str
    inputs: tuple[Input, ...]
    outputs: tuple[Input, ...]
    max_batch: int = 0
    is_decoupled: bool = False
    has_sequences: bool = False
    composing: tuple[str, ...] = ()


def describe(metadata: Mapping[str, Any], config: Mapping[str, Any] | None, version: str = "") -> Model:
    """From the v2 answers as JSON. Without a config, a first dimension of -1 of every input is the batch's.

    metadata: `v2/models/M`; config: `v2/models/M/config`, an extension that not every server has
    """
    rows = [(t["name"], t["datatype"], [int(d) for d in t["shape"]]) for t in metadata.get("inputs", [])]
    if config is None:
        max_batch = 2**31 - 1 if rows and all(shape[:1] == [-1] for _, _, shape in rows) else 0
    else:
        max_batch = int(config.get("max_batch_size", 0))
    optional = {t["name"] for t in (config or {}).get("input", []) if t.get("optional")}
    skip = 1 if max_batch else 0
    outputs = [(t["name"], t["datatype"], tuple(int(d) for d in t["shape"])) for t in metadata.get("outputs", [])]
    found = config or {}
    steps = (found.get("ensemble_scheduling") or {}).get("step", [])
    return Model(
        name=str(metadata["name"]),
        version=version,
        platform=str(metadata.get("platform", "")),
        inputs=tuple(Input(n, t, tuple(s[skip:]), n in optional) for n, t, s in rows),
        outputs=tuple(Input(n, t, s[skip:]) for n, t, s in outputs),
        max_batch=max_batch,
        is_decoupled=bool((found.get("model_transaction_policy") or {}).get("decoupled")),
        has_sequences=found.get("sequence_batching") is not None,
        composing=tuple(dict.fromkeys(str(s["model_name"]) for s in steps)),
    )


def request_shapes(model: Model, given: Mapping[str, tuple[int, ...]], batch: int) -> dict[str, tuple[int, ...] | None]:
    """The shape of each input that is sent, without the batch; None where only the data can tell.

    raises: E682 for a shape of an input that there is not or that does not fit it, and for a batch that is too large
    """
    if batch > max(model.max_batch, 1):
        limit = f"its largest batch is {model.max_batch}" if model.max_batch else "its requests have no batch dimension"
        raise UserError("E682", f"--batch {batch} is too large for model '{model.name}'", why=limit)
    known = {i.name: i for i in model.inputs}
    for name, shape in given.items():
        if name not in known:
            raise UserError(
                "E682", f"model '{model.name}' has no input '{name}'", why=f"its inputs are {', '.join(known)}"
            )
        own = known[name].shape
        if len(own) != len(shape) or any(a not in (-1, b) for a, b in zip(own, shape)):
            why = f"it takes {_text(own)}" + (", the batch not counted" if model.max_batch else "")
            raise UserError("E682", f"--shape {name}:{_text(shape)} does not fit the input", why=why)
    found: dict[str, tuple[int, ...] | None] = {}
    for name, item in known.items():
        if not item.is_optional or name in given:
            found[name] = given.get(name, item.shape if -1 not in item.shape else None)
    return found


def _text(shape: tuple[int, ...]) -> str:
    return ",".join(map(str, shape)) or "scalar"
