"""The plan file.   header | manifest (canonical JSON) | blobs, each at a multiple of 64 bytes

    bytes    header field, little-endian
    0    8   magic, 89 42 55 52 4e 49 53 48
    8    4   format version              12   4   zero
    16   8   bytes of the manifest       24   8   bytes of the file
    32  32   SHA-256 of the manifest
    64  32   public key, 96 64 signature: Ed25519 over the manifest's hash; zeros if not signed
    160 32   SHA-256 of the 160 bytes before

The manifest lists the blobs in the order of their names, with size, SHA-256 and page sums. Their offsets follow from
the sizes, so nothing in the file can point outside it. Gaps are zeros and are checked. Equal plans have equal bytes.

docs/plan-format.md describes the same format and gives the reasons.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from burnish.errors import InternalError
from burnish.plan import codec
from burnish.plan.check import contradictions
from burnish.plan.checksum import page_sums, sha256
from burnish.plan.manifest import FORMAT_VERSION, Manifest
from burnish.plan.native_abi import STORAGE_ALIGN_BYTES
from burnish.plan.signature import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, KeySource, sign_digest

MAGIC = b"\x89BURNISH"
FIELDS = struct.Struct(f"<8sIIQQ32s{PUBLIC_KEY_BYTES}s{SIGNATURE_BYTES}s")
HASH_BYTES = 32
HEADER_BYTES = FIELDS.size + HASH_BYTES


@dataclass(frozen=True, slots=True)
class BlobEntry:
    """A blob's offset in the file, and its required hash."""

    name: str
    offset: int
    size_bytes: int
    sha256: str
    page_sums: str


def chunks(
    content: Manifest, bytes_by_name: Mapping[str, Any], key: KeySource | None = None
) -> Iterator[bytes | memoryview]:
    """The file of a plan, piece by piece. Blobs are not copied. `key`: sign with this key."""
    blobs = {name: memoryview(bytes_by_name[name]).cast("B") for name in sorted(bytes_by_name)}
    for problem in contradictions(content, {name: len(view) for name, view in blobs.items()}):
        raise InternalError("E415", "the build made a plan that contradicts itself", why=problem)
    table = [
        {"name": name, "size": len(view), "sha256": sha256(view), "page_sums": page_sums(view)}
        for name, view in blobs.items()
    ]
    manifest = canonical_json({"blobs": table, "manifest": _encode(content)})
    end = HEADER_BYTES + len(manifest)
    for view in blobs.values():
        end = aligned(end) + len(view)
    yield header(manifest, end, key)
    yield manifest
    place = HEADER_BYTES + len(manifest)
    for view in blobs.values():
        yield b"\0" * (aligned(place) - place)
        yield view
        place = aligned(place) + len(view)


def header(manifest: bytes, file_bytes: int, key: KeySource | None) -> bytes:
    """The first 192 bytes of the file."""
    digest = bytes.fromhex(sha256(manifest))
    public, signature = sign_digest(digest, key) if key is not None else (b"", b"")
    fields = FIELDS.pack(MAGIC, FORMAT_VERSION, 0, len(manifest), file_bytes, digest, public, signature)
    return fields + bytes.fromhex(sha256(fields))


def canonical_json(value: Any) -> bytes:
    """Sorted keys, no spaces, ASCII, shortest round-trip floats, no nan: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode()


def aligned(offset: int) -> int:
    """The next multiple of 64."""
    return -(-offset // STORAGE_ALIGN_BYTES) * STORAGE_ALIGN_BYTES


def _encode(manifest: Manifest) -> Any:
    try:
        return codec.manifest.encode(manifest)
    except (codec.Mismatch, TypeError, AttributeError) as error:
        where = error.path if isinstance(error, codec.Mismatch) else ""
        raise InternalError(
            "E415", "the build made a manifest that cannot be written", where=where, why=str(error)
        ) from error
