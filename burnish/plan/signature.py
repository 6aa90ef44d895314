"""Ed25519 over a plan's manifest hash. The manifest holds the SHA-256 of every blob, so one signature covers all.

`cryptography` is imported only here, and only when a plan is signed or a trusted key is asked for.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from burnish.errors import UserError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    KeySource = str | os.PathLike[str] | bytes | Ed25519PrivateKey
else:
    KeySource = object

PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64
_CONTEXT = b"burnish plan signature v1\0"


def sign_digest(digest: bytes, key: KeySource) -> tuple[bytes, bytes]:
    """(public key, signature) over a 32-byte digest.

    key:    a PEM file's path, its content as bytes, or an Ed25519PrivateKey
    raises: E414 if there is no usable private key in it
    """
    private = _private_key(key)
    return private.public_key().public_bytes_raw(), private.sign(_CONTEXT + digest)


def signature_holds(digest: bytes, public_key: bytes, signature: bytes) -> bool:
    """Was the digest signed with the private half of this key?"""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _CONTEXT + digest)
    except (InvalidSignature, ValueError):
        return False
    return True


def public_key_bytes(key: object) -> bytes:
    """The 32 raw bytes of a public key.

    key:    a PEM file's path (public or private), its content as bytes, the 32 bytes (also in hex), or a key object
    raises: E414 if there is no Ed25519 key in it
    """
    if isinstance(key, bytes) and len(key) == PUBLIC_KEY_BYTES:
        return key
    if isinstance(key, str) and len(key) == 2 * PUBLIC_KEY_BYTES:
        try:
            return bytes.fromhex(key)
        except ValueError:
            pass  # a path of 64 letters
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    found: object = key
    if isinstance(key, str | os.PathLike | bytes):
        content = _content(key)
        try:
            found = _private_key(content) if b"PRIVATE" in content else load_pem_public_key(content)
        except ValueError as error:
            raise _unusable(str(error)) from error
    if isinstance(found, Ed25519PrivateKey):
        found = found.public_key()
    if not isinstance(found, Ed25519PublicKey):
        raise _unusable(f"it holds a {type(found).__name__}")
    return found.public_bytes_raw()


def _private_key(key: KeySource) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    found: object = key
    if isinstance(key, str | os.PathLike | bytes):
        try:
            found = load_pem_private_key(_content(key), password=None)
        except (ValueError, TypeError) as error:
            raise _unusable(str(error)) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise _unusable(f"it holds a {type(found).__name__}")
    return found


def _content(key: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(key, bytes):
        return key
    try:
        return Path(key).read_bytes()
    except OSError as error:
        raise _unusable(f"{key}: {error.strerror or error}") from error


def _unusable(why: str) -> UserError:
    return UserError(
        "E414",
        "the key is not an Ed25519 key in PEM form",
        why=why,
        hint="make one with: openssl genpkey -algorithm ed25519 -out key.pem",
    )
