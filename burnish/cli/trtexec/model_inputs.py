"""Combine the inputs named on a trtexec command line with the model's own inputs."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from burnish.cli.tensor_files import read_tensor
from burnish.cli.trtexec.options import Options
from burnish.dims import evaluate
from burnish.errors import UserError
from burnish.plan import Manifest
from burnish.plan.sample_inputs import bind_shapes, sample_inputs

Array = np.ndarray[Any, Any]
Value = TypeVar("Value")


def declared_shapes(path: str) -> dict[str, list[int | str]]:
    """The inputs of an ONNX file with their declared shapes. Empty if the file cannot be read; the build says why."""
    import onnx

    try:
        graph = onnx.load(path, load_external_data=False).graph
    except Exception:
        return {}
    constants = {tensor.name for tensor in graph.initializer}
    return {
        value.name: [d.dim_value if d.HasField("dim_value") else d.dim_param for d in value.type.tensor_type.shape.dim]
        for value in graph.input
        if value.name not in constants
    }


def expand_wildcards(options: Options, names: Sequence[str]) -> Options:
    """`'*':1x3x224x224` and `past_*:...` name every input that matches; a name without a `*` stays."""
    return dataclasses.replace(
        options, shapes=_expanded(options.shapes, names), ranges=_expanded(options.ranges, names)
    )


def overridden(options: Options, declared: Mapping[str, Sequence[int | str]]) -> dict[str, tuple[int, ...]]:
    """Dynamic inputs without a given shape, with the shape used for them: 1 on every dynamic axis."""
    return {
        name: tuple(d if isinstance(d, int) and d > 0 else 1 for d in shape)
        for name, shape in declared.items()
        if name not in options.shapes
        and name not in options.ranges
        and any(not isinstance(d, int) or d <= 0 for d in shape)
    }


def make_inputs(options: Options, manifest: Manifest) -> dict[str, Array]:
    """Inputs from --loadInputs, random ones for the rest, at --shapes or the profile's opt. E634: wrong file size."""
    sizes = bind_shapes(manifest, options.shapes)
    found = sample_inputs(manifest, options.shapes)
    specs = {t.name: t for t in manifest.inputs}
    for name, file in options.load_inputs.items():
        spec = specs.get(name)
        if spec is None:
            raise UserError("E617", f"the plan has no input '{name}'", hint=f"its inputs are {', '.join(specs)}")
        shape = tuple(evaluate(d, sizes) for d in spec.shape)
        array = read_tensor(Path(file), dataclasses.replace(spec, shape=(-1,)))
        needed = int(np.prod(shape, dtype=np.int64))
        if array.size != needed:
            raise UserError(
                "E634",
                f"{file} does not fit input '{name}'",
                why=f"it holds {array.size} elements, the shape {list(shape)} needs {needed}",
                hint="give the shape with --shapes",
            )
        found[name] = array.reshape(shape)
    return found


def _expanded(given: Mapping[str, Value], names: Sequence[str]) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in given.items():
        matches = [n for n in names if fnmatch.fnmatchcase(n, name)] if "*" in name and name not in names else [name]
        found.update(dict.fromkeys(matches or [name], value))
    return found
