"""A trusted key lets in what its owner signed, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from burnish.errors import UserError
from burnish.plan import Plan, open_plan, read, sign, to_bytes, write
from burnish.plan.format import FIELDS, HEADER_BYTES

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
PEM = KEY.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption())
PUBLIC_PEM = KEY.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)


def refusal(source: object, key: object) -> str:
    with pytest.raises(UserError) as caught:
        read(source, trusted_key=key)  # type: ignore[arg-type]
    return f"{caught.value.code} {caught.value.why}"


def test_a_signed_plan_is_let_in_by_every_form_of_the_key(small_plan: Plan, tmp_path: Path) -> None:
    path, pem = tmp_path / "a.plan", tmp_path / "key.pem"
    pem.write_bytes(PEM)
    write(small_plan, path)
    sign(path, pem)
    raw = KEY.public_key().public_bytes_raw()
    for key in (PEM, PUBLIC_PEM, pem, str(pem), raw, raw.hex(), KEY, KEY.public_key()):
        assert read(path, trusted_key=key).manifest == small_plan.manifest
    assert open_plan(path).public_key == raw
    assert read(path).manifest == small_plan.manifest


def test_signing_changes_the_header_only_and_is_deterministic(small_plan: Plan) -> None:
    plain, signed = to_bytes(small_plan), to_bytes(small_plan, KEY)
    assert signed[HEADER_BYTES:] == plain[HEADER_BYTES:]
    assert signed == to_bytes(small_plan, PEM)


def test_an_unsigned_plan_and_another_signer_are_refused(small_plan: Plan) -> None:
    assert "E413 it is not signed" in refusal(to_bytes(small_plan), KEY)
    assert "E413 it is signed with another key" in refusal(to_bytes(small_plan, OTHER), KEY)


def test_a_signature_from_another_plan_is_refused(small_plan: Plan) -> None:
    import hashlib

    stolen = FIELDS.unpack(to_bytes(small_plan, KEY)[: FIELDS.size])
    other = to_bytes(Plan(small_plan.manifest, {**small_plan.blobs, "extra": b"1"}))
    fields = FIELDS.pack(*FIELDS.unpack(other[: FIELDS.size])[:6], *stolen[6:])
    forged = fields + hashlib.sha256(fields).digest() + other[HEADER_BYTES:]
    assert "its signature does not hold" in refusal(forged, KEY)
    read(forged)  # without a key nothing is promised about who wrote it


def test_every_flipped_byte_of_a_signed_plan_gives_a_coded_error(small_plan: Plan) -> None:
    data = bytearray(to_bytes(small_plan, KEY))
    for place in range(len(data)):
        data[place] ^= 0x40
        with pytest.raises(UserError, match="E4"):
            read(bytes(data))
        data[place] ^= 0x40


@pytest.mark.parametrize(
    "key",
    [
        b"no pem",
        "no/such/file.pem",
        "z" * 64,
        generate_private_key(SECP256R1()).private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()),
        17,
    ],
)
def test_a_key_that_is_none_is_refused(small_plan: Plan, key: object) -> None:
    assert refusal(to_bytes(small_plan, KEY), key).startswith("E414")
    with pytest.raises(UserError, match="E414"):
        to_bytes(small_plan, key)  # type: ignore[arg-type]


def test_reading_without_a_key_does_not_import_cryptography(small_plan: Plan, tmp_path: Path) -> None:
    write(small_plan, tmp_path / "a.plan", KEY)
    program = "import sys, burnish.plan as p; p.read(sys.argv[1]); assert 'cryptography' not in sys.modules"
    command = [sys.executable, "-c", program, str(tmp_path / "a.plan")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
