"""Load an ONNX model: read, check, upgrade, inline, name, infer shapes.

The result is in one form, whatever the file's age: opset `upgrade.TARGET_OPSET`, no functions, no initializer that is
also an input, every node and open dimension named, every node's domain imported, nodes in topological order.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from burnish.arguments import expect
from burnish.errors import UserError
from burnish.importers.check_operators import check_operators
from burnish.importers.check_structure import check_structure
from burnish.importers.check_types import check_types
from burnish.importers.densify import densify
from burnish.importers.external import hash_external_files, resolve_external_data
from burnish.importers.infer_shapes import infer_shapes
from burnish.importers.inline_functions import inline_defined_functions, inline_model_functions
from burnish.importers.microsoft import expand_microsoft
from burnish.importers.name_dims import name_dims
from burnish.importers.name_nodes import name_nodes
from burnish.importers.present_outputs import note_of, present_outputs
from burnish.importers.raise_to_minimum import raise_to_minimum
from burnish.importers.split_defaults import split_defaults
from burnish.importers.tensors import take_tensors
from burnish.importers.upgrade import upgrade
from burnish.passes.rewrite.constants import Array
from burnish.plan.manifest import Presentation

Source: TypeAlias = str | os.PathLike[str] | bytes | onnx.ModelProto | ir.Model


@dataclass(frozen=True, eq=False)
class Imported:
    """A model ready for the passes.

    sha256: of the bytes that were given, external data included
    notes:  what the user must know about how the file was read; a plan keeps them
    presentations: how to show outputs that are not numeric tensors
    defaults: of inputs that a caller may leave out
    """

    model: ir.Model
    sha256: str
    name: str
    notes: tuple[str, ...] = ()
    presentations: tuple[Presentation, ...] = ()
    defaults: Mapping[str, Array] = field(default_factory=dict)


def load_model(source: Source, keep: Callable[[str, str], bool] | None = None, overridable: bool = False) -> Imported:
    """Load a model from a path, bytes, a ModelProto or an onnx_ir.Model; external data stays memory-mapped.

    keep:    tells for a domain and operator that it needs no inlining, although ONNX defines it by a function body
    overridable: initializers that are also inputs stay inputs, with a default, instead of becoming constants
    raises:  E101 to E149, each naming the file and the node
    """
    proto, content, name, path = _read(source)
    digest = hashlib.sha256(content)
    files = resolve_external_data(proto, path, name)
    hash_external_files(digest, files)
    check_structure(proto, name)
    proto = raise_to_minimum(proto, name)
    densify(proto)
    presentations = present_outputs(proto, name)
    model = _as_graph(proto, name)
    take_tensors(model, name)
    # before IR version 4 every initializer had to be an input too, which says nothing
    defaults, notes = split_defaults(model, proto.ir_version >= 4, overridable)
    check_operators(model, name, keep)
    name_dims(model)
    name_nodes(model)
    inline_model_functions(model, name)
    notes += expand_microsoft(model, name)
    upgrade(model, name)
    if keep is not None:
        inline_defined_functions(model, keep, name)
    name_nodes(model)
    infer_shapes(model, name)
    check_types(model, name)
    notes += [note_of(shown) for shown in presentations]
    return Imported(model, digest.hexdigest(), name, tuple(notes), presentations, defaults)


def _read(source: Source) -> tuple[onnx.ModelProto, bytes, str, Path | None]:
    """The proto, its bytes, the name for messages, and the path whose folder holds external data."""
    if isinstance(source, onnx.ModelProto):
        content = source.SerializeToString(deterministic=True)
        return onnx.ModelProto.FromString(content), content, source.graph.name or "model", None
    if isinstance(source, ir.Model):
        proto = ir.to_proto(source)
        return proto, proto.SerializeToString(deterministic=True), source.graph.name or "model", _base_path(source)
    if isinstance(source, bytes):
        return _parse(source, "model bytes"), source, "model", None
    expect("the model", source, (str, os.PathLike), "a path, bytes, an onnx.ModelProto or an onnx_ir.Model")
    path = Path(source)
    proto, content = read_file(path)
    return proto, content, path.stem, path


def read_file(path: Path) -> tuple[onnx.ModelProto, bytes]:
    """The proto in a file (its external data is not read), and the file's bytes. E101 to E104."""
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise UserError(
            "E104",
            f"the model file cannot be read: {path.name or path}",
            where=str(path),
            why=(getattr(error, "strerror", None) or str(error)).lower(),
            hint="give the path of an .onnx file",
        ) from None
    return _parse(content, str(path)), content


def _parse(content: bytes, where: str) -> onnx.ModelProto:
    if not content:
        raise UserError("E102", "the model is empty", where=where, why="0 bytes", hint="export the model again")
    try:
        proto = onnx.ModelProto.FromString(content)
    except DecodeError:
        looks_right = content[0] == 0x08 and b"\x12" in content[2:16]  # ir_version, then producer or graph
        raise UserError(
            "E103" if looks_right else "E101",
            "the model file is truncated or damaged" if looks_right else "this is not an ONNX model",
            where=where,
            why=f"{len(content)} bytes that do not parse as a ModelProto to the end",
            hint="copy or download it again" if looks_right else "give the path of an .onnx file",
        ) from None
    if not proto.HasField("graph"):
        damaged = proto.ir_version > 0
        raise UserError(
            "E103" if damaged else "E101",
            "the model file is truncated: it has no graph" if damaged else "this is not an ONNX model",
            where=where,
            why="the ModelProto has no graph",
            hint="copy or download it again",
        )
    return proto


def _as_graph(proto: onnx.ModelProto, name: str) -> ir.Model:
    try:
        model: ir.Model = ir.from_proto(proto)
        return model
    except Exception as error:  # onnx_ir raises many kinds for enumerations and types that do not exist
        raise UserError(
            "E103",
            "the model file is damaged",
            where=name,
            why=" ".join(str(error.__cause__ or error).split())[:200],
            hint="copy or export it again",
        ) from error


def _base_path(model: ir.Model) -> Path | None:
    """A path in the folder of the model's external tensors. None if it has none."""
    for value in model.graph.initializers.values():
        if isinstance(value.const_value, ir.ExternalTensor):
            return Path(value.const_value.base_dir) / "model.onnx"
    return None
