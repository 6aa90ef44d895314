"""External data: weights in files beside the model, which must lie in the model's folder and be long enough.

The tensors still refer to their files (onnx_ir maps them into memory when they are read). Here each location is checked
and replaced by its real path, so it cannot lead to another file later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

import onnx
import onnx_ir as ir

from burnish.errors import UserError

if TYPE_CHECKING:
    Digest = hashlib._Hash

CHUNK_BYTES = 1 << 22


def resolve_external_data(proto: onnx.ModelProto, model_path: Path | None, name: str) -> list[Path]:
    """Check every external tensor and make its location absolute; the files, each once, in order of their locations.

    raises:  E120 leaves the folder, E121 no such file, E122 too short, E123 no folder to look in
    """
    files: dict[str, Path] = {}
    for tensor, where in _tensors(proto, name):
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {e.key: e for e in tensor.external_data}
        location = entries["location"].value if "location" in entries else ""
        path = _locate(location, model_path, where)
        _check_length(tensor, path, location, entries, where)
        files[location] = path
        entries["location"].value = str(path)
    return [files[key] for key in sorted(files)]


def hash_external_files(digest: hashlib._Hash, files: list[Path]) -> None:
    """Add the files' content to a digest."""
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)


def _locate(location: str, model_path: Path | None, where: str) -> Path:
    if model_path is None:
        raise UserError(
            "E123",
            "the model keeps weights in external files, and there is no folder to find them in",
            where=where,
            why=f"location {location!r}; the model was given as bytes or as a proto",
            hint="give the path of the model file",
        )
    folders = {model_path.parent.resolve(), model_path.resolve().parent}
    path = (model_path.parent / location).resolve()
    leaves = (
        not location
        or PurePosixPath(location).is_absolute()
        or PureWindowsPath(location).is_absolute()
        or ".." in PureWindowsPath(location).parts
        or not any(path.is_relative_to(folder) for folder in folders)
    )
    if leaves:
        raise UserError(
            "E120",
            f"external data {location!r} lies outside the model's folder",
            where=where,
            why="locations are relative, inside the folder, and no link leads out of it",
            hint="put the data file beside the model; do not trust a model that points elsewhere",
        )
    if not path.is_file():
        raise UserError(
            "E121",
            f"external data file {location!r} is missing",
            where=where,
            why=f"no such file in {model_path.parent}",
            hint="copy the data file together with the model",
        )
    return path


def _check_length(
    tensor: onnx.TensorProto,
    path: Path,
    location: str,
    entries: dict[str, onnx.StringStringEntryProto],
    where: str,
) -> None:
    size = path.stat().st_size
    try:
        offset = int(entries["offset"].value) if "offset" in entries else 0
        length = int(entries["length"].value) if "length" in entries else None
    except ValueError:
        offset, length = -1, None
    elements = 1
    for d in tensor.dims:
        elements *= d
    needed = (elements * ir.DataType(tensor.data_type).bitwidth + 7) // 8
    if offset < 0 or offset + needed > size or (length is not None and length < needed):
        raise UserError(
            "E122",
            f"external data file {location!r} is too short",
            where=where,
            why=f"needs {needed} bytes at offset {offset}, has {length if length is not None else size}",
            hint="copy the data file again",
        )


def _tensors(proto: onnx.ModelProto, name: str) -> Iterator[tuple[onnx.TensorProto, str]]:
    yield from _graph_tensors(proto.graph, name)
    for function in proto.functions:
        for node in function.node:
            yield from _node_tensors(node, f"{name}: function {function.name!r}")


def _graph_tensors(graph: onnx.GraphProto, name: str) -> Iterator[tuple[onnx.TensorProto, str]]:
    for tensor in graph.initializer:
        yield tensor, f"{name}: initializer {tensor.name!r}"
    for sparse in graph.sparse_initializer:
        yield sparse.values, f"{name}: initializer {sparse.values.name!r}"
        yield sparse.indices, f"{name}: initializer {sparse.values.name!r}"
    for node in graph.node:
        yield from _node_tensors(node, name)


def _node_tensors(node: onnx.NodeProto, name: str) -> Iterator[tuple[onnx.TensorProto, str]]:
    where = f"{name}: node {node.name or node.op_type!r}"
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t, where
        for tensor in attribute.tensors:
            yield tensor, where
        if attribute.HasField("g"):
            yield from _graph_tensors(attribute.g, name)
        for graph in attribute.graphs:
            yield from _graph_tensors(graph, name)
