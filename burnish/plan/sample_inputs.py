"""Made-up inputs that a plan accepts, for a benchmark, a smoke run or a comparison. Seeded, so everyone gets the same.

float        standard normal (a complex number: its real part)
bool         even odds
8 bits       the whole range, also for types of fewer bits (images, quantised data)
integers     ones if the name suggests a mask or a length, 0 or 1 if it suggests a type or a segment,
             else 0 to 9 (valid rows of any embedding, valid positions)
string       meaningless words
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np

from burnish.arguments import expect_mapping, parse_shape, whole_number
from burnish.dims import evaluate, format_shape, symbol_name
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.plan.manifest import Manifest, TensorSpec

Array = np.ndarray[Any, Any]


def sample_inputs(
    manifest: Manifest, shapes: Mapping[str, Sequence[int] | str] | None = None, seed: int = 0
) -> dict[str, Array]:
    """An array for every input, at the profile's opt shape unless `shapes` gives another.

    raises: E611 for a name that is no input or a shape that does not fit; E602, E605
    """
    sizes = bind_shapes(manifest, {} if shapes is None else shapes)
    generator = np.random.default_rng(whole_number("seed", seed))
    return {t.name: sample_array(t, tuple(evaluate(d, sizes) for d in t.shape), generator) for t in manifest.inputs}


def bind_shapes(manifest: Manifest, shapes: Mapping[str, Sequence[int] | str]) -> dict[str, int]:
    """A value for every symbol: from `shapes` by input name, else the profile's opt."""
    expect_mapping("shapes", shapes, '{"image": (1, 3, 224, 224)}')
    sizes = {s.name: s.opt for s in manifest.symbols}
    inputs = {t.name: t for t in manifest.inputs}
    wanted = {name: parse_shape(shape, f"input '{name}'") for name, shape in shapes.items()}
    for name, shape in wanted.items():
        if name not in inputs:
            raise UserError(
                "E611",
                f"the plan has no input '{name}'",
                why=f"its inputs are {', '.join(inputs)}",
                hint="check the name",
            )
        declared = inputs[name].shape
        if len(shape) != len(declared):
            raise _unfit(inputs[name], shape)
        sizes.update({s: n for d, n in zip(declared, shape) if (s := symbol_name(d)) is not None})
    for name, shape in wanted.items():
        if tuple(evaluate(d, sizes) for d in inputs[name].shape) != shape:
            raise _unfit(inputs[name], shape)
    return sizes


def sample_array(tensor: TensorSpec, shape: tuple[int, ...], generator: np.random.Generator) -> Array:
    """One array of the tensor's dtype."""
    dtype, name = tensor.dtype, tensor.name.lower()
    if dtype is DType.STRING:
        return generator.integers(0, 1000, shape).astype(str).astype(object)
    if dtype is DType.BOOL:
        return generator.integers(0, 2, shape).astype(bool)
    if not dtype.is_integer:
        return np.asarray(generator.standard_normal(shape), dtype=np.float32).astype(dtype.numpy)
    if dtype.size_bytes == 1:
        info = ml_dtypes.iinfo(dtype.numpy)
        low, high = int(info.min), int(info.max) + 1
    elif re.search("mask|length|len$", name):
        low, high = 1, 2
    else:
        low, high = (0, 2) if re.search("type|segment", name) else (0, 10)
    return np.asarray(generator.integers(low, high, shape), dtype=dtype.numpy)


def _unfit(tensor: TensorSpec, shape: Sequence[int]) -> UserError:
    return UserError(
        "E611",
        f"shape {format_shape(shape)} does not fit input '{tensor.name}'",
        why=f"the plan takes {format_shape(tensor.shape)}",
        hint="burnish inspect plan shows every input with its range",
    )
