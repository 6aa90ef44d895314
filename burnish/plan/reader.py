"""Read a plan. Nothing in it is trusted before it is checked, and nothing is copied.

`open_plan` reads what the file contains (header, manifest, offsets of the blobs); `read` checks the content as well.
`verify` selects the checks of a load:

    auto    header, manifest, code and models by SHA-256, weights by page sums (12 ms per 100 MiB): any flipped byte
            anywhere is found
    full    every blob by SHA-256 (75 ms per 100 MiB); required with a trusted key
    quick   weights are not checked: O(1) in their size, for a file that was checked before
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, get_args

import numpy as np

from burnish.arguments import expect, wrong_kind
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan import codec
from burnish.plan.check import contradictions
from burnish.plan.checksum import page_sums, sha256
from burnish.plan.format import FIELDS, HEADER_BYTES, MAGIC, BlobEntry, aligned
from burnish.plan.manifest import FORMAT_VERSION, Manifest
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES
from burnish.plan.plan import Plan
from burnish.plan.signature import public_key_bytes, signature_holds

Source = str | os.PathLike[str] | bytes | bytearray | memoryview
Verify = Literal["auto", "full", "quick"]
HASH_LETTERS = 64


@dataclass(frozen=True)
class Contents:
    """The content of a plan file. The blobs' bytes are not checked yet.

    name        for messages: the path, or "plan"
    digest      SHA-256 of the manifest, hence of the plan
    public_key  of the signer, empty if the plan is not signed
    """

    name: str
    data: memoryview
    version: int
    digest: bytes
    manifest: Manifest
    entries: tuple[BlobEntry, ...]
    public_key: bytes
    signature: bytes

    def blob(self, entry: BlobEntry) -> memoryview:
        """Its bytes, in place."""
        return self.data[entry.offset : entry.offset + entry.size_bytes]


def read(source: Source, *, verify: Verify = "auto", trusted_key: object = None) -> Plan:
    """A plan whose blobs are read-only views into the file (mapped, 64-byte aligned).

    source:      a path, or the file's bytes
    verify:      auto | full | quick, see above
    trusted_key: refuse the plan unless it was signed with this Ed25519 key (a PEM file, bytes, hex or key object)
    raises:      E401 .. E414, for anything that is not exactly what `write` wrote
    """
    if not isinstance(verify, str) or verify not in get_args(Verify):
        raise wrong_kind("verify", verify, "auto, full or quick")
    contents = open_plan(source)
    if trusted_key is not None:
        _demand_signature(contents, public_key_bytes(trusted_key))
        verify = "full"
    weights = {s.blob for v in contents.manifest.variants for s in v.storages} if verify != "full" else frozenset()
    for entry in contents.entries:
        if entry.name not in weights:
            intact = sha256(contents.blob(entry)) == entry.sha256
        else:
            intact = verify == "quick" or page_sums(contents.blob(entry)) == entry.page_sums
        if not intact:
            _damaged("E412", contents.name, f"blob '{entry.name}' is not what was written: its checksum differs")
    return Plan(contents.manifest, {entry.name: contents.blob(entry) for entry in contents.entries})


def open_plan(source: Source) -> Contents:
    """Header, manifest and the offsets of the blobs, all checked. Of the blobs, only the gaps between them are read."""
    data, name = _map(source)
    if bytes(data[:8]) != MAGIC:
        _no_plan(data, name)
    if len(data) < HEADER_BYTES:
        _damaged("E405", name, f"it ends after {len(data)} bytes, inside the header of {HEADER_BYTES}")
    header = data[: FIELDS.size]
    _, version, zero, manifest_bytes, file_bytes, digest, public_key, signature = FIELDS.unpack(header)
    if version != FORMAT_VERSION:
        raise UserError(
            "E406",
            f"{name} has format version {version}; this Burnish reads version {FORMAT_VERSION}",
            hint="build the plan again with this version, or install the Burnish that wrote it",
        )
    if sha256(header) != data[FIELDS.size : HEADER_BYTES].hex() or zero:
        _damaged("E407", name, "its header is not what was written: the checksum differs")
    if file_bytes != len(data) or manifest_bytes > file_bytes - HEADER_BYTES:
        _damaged("E405", name, f"it has {len(data)} bytes, its header says {file_bytes}")
    text = bytes(data[HEADER_BYTES : HEADER_BYTES + manifest_bytes])
    if sha256(text) != digest.hex():
        _damaged("E408", name, "its manifest is not what was written: the checksum differs")
    manifest, entries = _parse(text, name, HEADER_BYTES + manifest_bytes)
    _check_gaps(data, name, entries, HEADER_BYTES + manifest_bytes)
    signed = public_key != bytes(len(public_key))
    return Contents(
        name, data, version, digest, manifest, entries, public_key if signed else b"", signature if signed else b""
    )


def _map(source: Source) -> tuple[memoryview, str]:
    """The file's bytes, read-only and 64-byte aligned. Unaligned bytes are copied once."""
    expect("the plan", source, (str, os.PathLike, bytes, bytearray, memoryview), "a path, or a plan file's bytes")
    if isinstance(source, bytes | bytearray | memoryview):
        view = memoryview(source)
        view = view.cast("B") if view.c_contiguous else memoryview(view.tobytes())
        address = np.frombuffer(view, np.uint8).ctypes.data if len(view) else 0
        if address % STORAGE_ALIGN_BYTES == 0 and len(view):
            return view.toreadonly(), "plan"
        copy = mmap.mmap(-1, max(len(view), 1))
        copy[: len(view)] = view
        return memoryview(copy).toreadonly()[: len(view)], "plan"
    path = Path(source)
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size == 0:
                return memoryview(b""), str(path)
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), str(path)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UserError(
            "E401",
            f"there is no plan at {path}",
            why=error.strerror or "",
            hint="make one: burnish build MODEL.onnx -o PLAN",
        ) from error
    except (OSError, ValueError) as error:
        raise EnvironmentProblem(
            "E402", f"{path} cannot be read", why=str(error), hint="check its permissions and the disk"
        ) from error


def _parse(text: bytes, name: str, start: int) -> tuple[Manifest, tuple[BlobEntry, ...]]:
    try:
        top = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse_constant)
        if type(top) is not dict or top.keys() != {"blobs", "manifest"}:
            raise codec.Mismatch("it must hold 'blobs' and 'manifest'")
        manifest = codec.manifest.decode(top["manifest"])
        entries = tuple(_place(codec.each(_blob).decode(top["blobs"]), start))
    except codec.Mismatch as error:
        _foreign(name, error.what, where=error.path)
    except (ValueError, RecursionError) as error:
        _foreign(name, str(error))
    try:
        problem = next(contradictions(manifest, {e.name: e.size_bytes for e in entries}), None)
    except RecursionError:
        problem = "it is nested too deeply"
    if problem:
        _damaged("E410", name, problem)
    return manifest, entries


@dataclass(frozen=True, slots=True)
class _Blob:
    name: str
    size: int
    sha256: str
    page_sums: str


_blob = codec.record(_Blob, name=codec.text, size=codec.natural, sha256=codec.text, page_sums=codec.text)


def _place(blobs: tuple[_Blob, ...], start: int) -> Iterator[BlobEntry]:
    """Offsets follow from the sizes. Names must ascend, so no name is repeated."""
    last = ""
    for blob in blobs:
        if blob.name <= last:
            raise codec.Mismatch(f"blob '{blob.name}' does not come after '{last}'", "blobs")
        if len(blob.sha256) != HASH_LETTERS or len(blob.page_sums) != HASH_LETTERS:
            raise codec.Mismatch(f"blob '{blob.name}' has no checksums of {HASH_LETTERS} letters", "blobs")
        yield BlobEntry(blob.name, aligned(start), blob.size, blob.sha256, blob.page_sums)
        start, last = aligned(start) + blob.size, blob.name


def _check_gaps(data: memoryview, name: str, entries: tuple[BlobEntry, ...], place: int) -> None:
    for entry in entries:
        if entry.offset + entry.size_bytes > len(data):
            _damaged("E411", name, f"blob '{entry.name}' would end at byte {entry.offset + entry.size_bytes}")
        if any(data[place : entry.offset]):
            _damaged("E411", name, f"the gap before blob '{entry.name}' is not zero")
        place = entry.offset + entry.size_bytes
    if place != len(data):
        _damaged("E411", name, f"{len(data) - place} bytes follow the last blob")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise codec.Mismatch(f"a key comes twice among {sorted(key for key, _ in pairs)}")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise codec.Mismatch(f"{text} is no JSON")


def _demand_signature(contents: Contents, key: bytes) -> None:
    if not contents.public_key:
        why = "it is not signed"
    elif contents.public_key != key:
        why = f"it is signed with another key, {contents.public_key.hex()}"
    elif not signature_holds(contents.digest, key, contents.signature):
        why = "its signature does not hold: it was changed after it was signed"
    else:
        return
    raise UserError(
        "E413",
        f"{contents.name} is not trusted",
        why=why,
        hint="sign it with burnish build --sign KEY, or load it without a key",
    )


def is_plan(path: str | os.PathLike[str]) -> bool:
    """Does the file begin like a plan? False if there is no file, or it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):  # a zero byte in the path is the latter
        return False


def _no_plan(data: memoryview, name: str) -> NoReturn:
    if len(data) < len(MAGIC):
        _damaged("E405", name, f"it has only {len(data)} bytes")
    hint = "give a file that burnish build wrote"
    if name.endswith(".onnx") or bytes(data[:1]) == b"\x08":
        hint = "this looks like an ONNX model: burnish build it first"
    elif bytes(data[:4]) == b"ftrt":
        hint = "this is a TensorRT engine: build a plan from the ONNX model that it was built from"
    why = f"it begins with {bytes(data[:8]).hex(' ')}, a plan with {MAGIC.hex(' ')}"
    raise UserError("E404", f"{name} is not a Burnish plan", why=why, hint=hint)


def _foreign(name: str, why: str, where: str = "") -> NoReturn:
    """The error for a file whose bytes are unchanged (a checksum confirms it) but that this reader does not accept."""
    raise UserError(
        "E409",
        f"the manifest of {name} is not one that this version reads",
        where=where,
        why=why,
        hint="build the plan again: another version of Burnish, or another tool, wrote this one",
    )


def _damaged(code: str, name: str, why: str, where: str = "") -> NoReturn:
    raise UserError(
        code,
        f"{name} is damaged",
        where=where,
        why=why,
        hint="copy the file again, or build it again; burnish inspect plan FILE --check tests every byte",
    )
