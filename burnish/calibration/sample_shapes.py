"""The shapes of open inputs, where nobody gave them: those of the samples.

An axis of batches (the first one of every input, and no other's) is not asked: samples are run one by one. Of an
in-memory list all samples are looked at, so that their shapes may differ; of files and of other iterables the first.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import onnx_ir as ir

from burnish.building.analyze import Prepared, prepare
from burnish.calibration.preprocess import Preprocess
from burnish.calibration.samples import Sample, batch_symbol, open_samples
from burnish.dtypes import DType
from burnish.importers import load_model
from burnish.importers.load import Imported
from burnish.ops.inference.infer import input_dim
from burnish.ops.registry import is_defined
from burnish.passes.pipeline import PORTABLE, Passes
from burnish.plan.manifest import TensorSpec

Sizes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class Fitted(NamedTuple):
    """A model after the portable passes; the data, from which nothing is missing; what was taken from it."""

    prepared: Prepared
    data: Any
    notes: tuple[str, ...]


def prepare_for_samples(
    model: Any,
    data: Any,
    stated: Preprocess | None = None,
    *,
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    passes: Passes = PORTABLE,
) -> Fitted:
    """`prepare`, with the samples' shapes for open inputs that no argument names; E721, E722, E745 for the samples."""
    named = {*(shapes or ()), *(profile or ())}
    specs = _inputs(load_model(model, is_defined)) if batch is None and _has_open_inputs(model, named) else []
    is_open = {spec.name: any(not isinstance(n, int) for n in spec.shape) for spec in specs}
    if not any(is_open[name] for name in is_open.keys() - named) or batch_symbol(specs) is not None:
        return Fitted(prepare(model, shapes=shapes, profile=profile, batch=batch, passes=passes), data, ())
    looked, data = _looked_at(data, specs, stated)
    found: dict[str, Sizes] = {}
    for spec in specs:
        if is_open[spec.name] and spec.name not in named:
            seen = np.array([sample[spec.name].shape for sample in looked])
            low, high = (tuple(map(int, end)) for end in (seen.min(0), seen.max(0)))
            found[spec.name] = low, tuple(map(int, seen[0])), high
    notes = tuple(f"input '{name}' is open: {_text(sizes)}, as in the samples" for name, sizes in found.items())
    return Fitted(prepare(model, shapes=shapes, profile={**(profile or {}), **found}, passes=passes), data, notes)


def _has_open_inputs(model: Any, named: Collection[str]) -> bool:
    """Is there an input without a shape? Asked of the file as it is; what is no model is refused later."""
    if isinstance(model, ir.Model):
        shapes = [v.shape for v in model.graph.inputs if v.name not in (*named, *model.graph.initializers)]
        return any(shape is not None and not all(isinstance(n, int) for n in shape) for shape in shapes)
    try:
        if isinstance(model, bytes):
            model = onnx.ModelProto.FromString(model)
        proto = model if isinstance(model, onnx.ModelProto) else onnx.load(model, load_external_data=False)
    except Exception:  # which load_model tells with its code
        return False
    others = {*named, *(tensor.name for tensor in proto.graph.initializer)}
    types = [value.type.tensor_type for value in proto.graph.input if value.name not in others]
    return any(not dim.HasField("dim_value") or dim.dim_value < 0 for each in types for dim in each.shape.dim)


def _inputs(imported: Imported) -> list[TensorSpec]:
    """The inputs; none if the rank or the type of one is not known."""
    graph = imported.model.graph
    values = [v for v in graph.inputs if v.name not in graph.initializers]
    if any(v.shape is None or v.dtype is None for v in values):
        return []
    return [
        TensorSpec(str(v.name), DType.from_onnx(int(v.dtype)), tuple(input_dim(v, a) for a in range(len(v.shape))), 0)
        for v in values
        if v.shape is not None and v.dtype is not None
    ]


def _looked_at(data: Any, specs: Sequence[TensorSpec], stated: Preprocess | None) -> tuple[list[Sample], Any]:
    """Samples whose shapes are known, and the data with them."""
    if isinstance(data, Iterator):
        first = list(itertools.islice(data, 1))
        return list(open_samples(first, specs, stated)), itertools.chain(first, data)
    samples = iter(open_samples(data, specs, stated))
    is_list = isinstance(data, Sequence) and not isinstance(data, str)
    return list(samples if is_list else itertools.islice(samples, 1)), data


def _text(sizes: Sizes) -> str:
    low, _, high = ("x".join(map(str, shape)) or "scalar" for shape in sizes)
    return low if low == high else f"{low} to {high}"
