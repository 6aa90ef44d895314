"""TLS for both ports, from PEM files."""

from __future__ import annotations

import ssl
from collections.abc import Sequence

from burnish.errors import UserError
from burnish.serve.app.options import Tls


def tls_context(tls: Tls | None, protocols: Sequence[str] = ()) -> ssl.SSLContext | None:
    """None for None. With an authority, clients must show a certificate that it signed.

    protocols: to agree on with the client (ALPN); gRPC needs h2
    raises:    E645 if a file cannot be read or does not hold what it should
    """
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if protocols:
        context.set_alpn_protocols(list(protocols))
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
    except (OSError, ValueError) as error:
        raise _unusable(f"the certificate {tls.certificate} cannot be used with the key {tls.key}", error) from None
    if tls.authority is not None:
        try:
            context.load_verify_locations(tls.authority)
        except (OSError, ValueError) as error:
            raise _unusable(f"the clients' authority {tls.authority} cannot be used", error) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _no_password() -> str:
    """A server has nobody to ask."""
    raise ValueError("the key is protected by a password")


def _unusable(what: str, error: Exception) -> UserError:
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return UserError("E645", what, why=why, hint="certificates and keys are PEM files; a key must not need a password")
