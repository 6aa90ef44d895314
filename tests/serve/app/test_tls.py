from __future__ import annotations

import ssl

import pytest
import trustme

from burnish.errors import UserError
from burnish.serve.app.options import Tls
from burnish.serve.app.tls import tls_context


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    return Tls(folder / "cert.pem", folder / "key.pem")


def test_a_client_needs_a_certificate_only_if_an_authority_is_given(files):
    assert tls_context(None) is None
    assert tls_context(files).verify_mode == ssl.CERT_NONE
    mutual = tls_context(Tls(files.certificate, files.key, files.certificate))
    assert mutual.verify_mode == ssl.CERT_REQUIRED
    assert mutual.minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_cannot_be_used_are_named(files, tmp_path):
    with pytest.raises(UserError, match=r"E645.*none\.pem"):
        tls_context(Tls(tmp_path / "none.pem", files.key))
    with pytest.raises(UserError, match=r"E645.*cannot be used with the key"):
        tls_context(Tls(files.certificate, files.certificate))
    with pytest.raises(UserError, match=r"E645.*authority"):
        tls_context(Tls(files.certificate, files.key, files.key))


def test_a_key_with_a_password_is_refused_and_nobody_is_asked(files, tmp_path):
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(files.key.read_bytes(), None)
    locked = tmp_path / "locked.pem"
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(UserError, match="password"):
        tls_context(Tls(files.certificate, locked))
