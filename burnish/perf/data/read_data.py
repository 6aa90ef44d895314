"""The values of requests: random, zero, a JSON file in perf_analyzer's form, an .npz, or a folder of files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.errors import UserError
from burnish.perf.data.model import Input, Model, request_shapes
from burnish.perf.data.tensor import Tensor, from_bytes, from_values, kind_of
from burnish.perf.options import Options

Step = tuple[Tensor, ...]
Stream = tuple[Step, ...]
VARIANTS = 8  # random requests that differ, so that a cache of answers does not answer them all
VARIANT_BYTES = 1 << 26  # fewer if they would be larger together


def read_data(model: Model, options: Options) -> tuple[Stream, ...]:
    """Streams of steps; a step is one request's tensors. Requests take the steps in turn; a sequence keeps to a stream.

    raises: E682 for shapes that are missing or do not fit, E683 for data that cannot be read or do not fit
    """
    shapes = request_shapes(model, options.shapes, options.batch)
    inputs = {i.name: i for i in model.inputs}
    if options.data in ("random", "zero"):
        for name, shape in shapes.items():
            if shape is None:
                raise _needs_shape(model, inputs[name])
        sizes = {n: s for n, s in shapes.items() if s is not None}
        streams = [list(_made(model, sizes, options))]
    else:
        streams = [[_step(model, shapes, row) for row in stream] for stream in _rows(options.data)]
    batched = tuple(_batch(stream, options.batch) if model.max_batch else tuple(stream) for stream in streams)
    if not any(batched):
        raise UserError("E683", f"--data {options.data} holds no request")
    return batched


def _made(model: Model, shapes: Mapping[str, tuple[int, ...]], options: Options) -> Iterator[Step]:
    """Random or zero steps. Floats lie in [0, 1), integers in 0 .. 9, so that indices stay inside small axes."""
    generator = np.random.default_rng(options.seed)
    types = {i.name: i.datatype for i in model.inputs}
    total = 0
    for _ in range(1 if options.data == "zero" else VARIANTS * options.batch):
        step = tuple(_values(generator, name, types[name], shape, options) for name, shape in shapes.items())
        yield step
        total += sum(len(t.to_bytes()) for t in step)
        if total > VARIANT_BYTES:
            return


def _values(
    generator: np.random.Generator, name: str, datatype: str, shape: tuple[int, ...], options: Options
) -> Tensor:
    kind = kind_of(datatype, name)
    zero = options.data == "zero"
    count = int(np.prod(shape, dtype=np.int64))
    if datatype == "BYTES":
        letters = np.frombuffer(b"abcdefghijklmnopqrstuvwxyz0123456789", np.uint8)
        drawn = [generator.choice(letters, options.string_length).tobytes() for _ in range(0 if zero else count)]
        if options.string_value is not None:
            drawn = [options.string_value.encode()] * count
        return from_values(name, datatype, drawn or [b""] * count, shape)
    if zero:
        return Tensor(name, datatype, np.zeros(shape, kind))
    if kind == np.bool_:
        return Tensor(name, datatype, generator.random(shape) < 0.5)
    drawn_numbers = generator.integers(0, 10, shape) if kind.kind in "iu" else generator.random(shape)
    return Tensor(name, datatype, np.asarray(drawn_numbers).astype(kind))


def _rows(place: str) -> list[list[dict[str, Any]]]:
    """Streams of rows: values by input name. E683 for what cannot be read."""
    path = Path(place)
    try:
        if path.is_dir():
            return [[{f.stem if f.suffix == ".npy" else f.name: _file(f) for f in sorted(path.iterdir())}]]
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                return [[dict(arrays)]]
        rows = json.loads(path.read_text(encoding="utf-8"))["data"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        why = 'it has no "data"' if isinstance(error, KeyError) else str(error)
        hint = '--data random, --data zero, a JSON file {"data": [{"INPUT": [1, 2, 3]}]}, an .npz or a folder'
        raise UserError("E683", f"the data '{place}' cannot be read", why=why, hint=hint) from None
    streams = rows if rows and isinstance(rows[0], list) else [rows]
    if not all(isinstance(row, dict) for stream in streams for row in stream):
        why = '"data" must be a list of objects, or a list of lists of objects (streams)'
        raise UserError("E683", f"the data '{place}' cannot be read", why=why)
    return [list(stream) for stream in streams]


def _file(path: Path) -> Any:
    return np.load(path, allow_pickle=False) if path.suffix == ".npy" else path.read_bytes()


def _step(model: Model, shapes: Mapping[str, tuple[int, ...] | None], row: Mapping[str, Any]) -> Step:
    unknown = set(row) - {i.name for i in model.inputs}
    if unknown:
        names = ", ".join(i.name for i in model.inputs)
        raise UserError("E683", f"the data names '{min(unknown)}', which is no input", why=f"the inputs are {names}")
    found = []
    for item in model.inputs:
        if item.name in row:
            found.append(_tensor(model, item, shapes.get(item.name), row[item.name]))
        elif not item.is_optional:
            raise UserError("E683", f"the data has no values for input '{item.name}'")
    return tuple(found)


def _tensor(model: Model, item: Input, shape: tuple[int, ...] | None, value: Any) -> Tensor:
    """A value is a list, {"content": list, "shape": list}, {"b64": text, "shape": list}, an array, or bytes."""
    if isinstance(value, np.ndarray):
        values = value.ravel().tolist() if item.datatype == "BYTES" else value
        return from_values(item.name, item.datatype, values, value.shape)
    if isinstance(value, dict):
        shape = tuple(value["shape"]) if "shape" in value else shape
        value = base64.b64decode(value["b64"]) if "b64" in value else value.get("content", [])
    if shape is None:
        if isinstance(value, bytes) or sum(d == -1 for d in item.shape) > 1:
            raise _needs_shape(model, item)
        known = int(np.prod([d for d in item.shape if d != -1], dtype=np.int64)) or 1
        shape = tuple(np.size(np.array(value, np.object_)) // known if d == -1 else d for d in item.shape)
    if isinstance(value, bytes):
        return from_bytes(item.name, item.datatype, value, shape)
    return from_values(item.name, item.datatype, value, shape)


def _batch(steps: Sequence[Step], batch: int) -> Stream:
    """Put this many steps into each request, the first ones again where the last request lacks some."""
    if not steps:
        return ()
    groups = [[steps[(at + i) % len(steps)] for i in range(batch)] for at in range(0, len(steps), batch)]
    found = []
    for group in groups:
        if len({tuple((t.name, tuple(t.shape)) for t in step) for step in group}) > 1:
            raise UserError(
                "E683",
                "steps of the data with different shapes cannot share a batch",
                hint="--batch 1, or data of one shape",
            )
        found.append(
            tuple(Tensor(t.name, t.datatype, np.stack([s[i].array for s in group])) for i, t in enumerate(group[0]))
        )
    return tuple(found)


def _needs_shape(model: Model, item: Input) -> UserError:
    shown = ",".join(map(str, item.shape))
    return UserError(
        "E682",
        f"input '{item.name}' of model '{model.name}' takes any size, so its shape must be given",
        why=f"the server states {item.datatype} [{shown}]",
        hint=f"--shape {item.name}:{','.join('8' if d == -1 else str(d) for d in item.shape)}",
    )
