"""Where a server listens."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field

from burnish.errors import UserError
from burnish.perf.options import Protocol, Tls

PORTS = {"http": 8000, "grpc": 8001}
_URL = re.compile(r"(?:(?P<scheme>\w+)://)?(?P<host>\[[0-9a-fA-F:.]+\]|[^:/\[\]]+)(?::(?P<port>\d+))?(?P<path>/.*)?")
_SECURE = {"http": False, "https": True, "grpc": False, "grpcs": True}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """path: what stands before /v2 (a proxy's prefix), without a slash at the end."""

    protocol: Protocol
    host: str
    port: int
    is_secure: bool = False
    path: str = ""
    tls: Tls = field(default_factory=Tls)

    @property
    def authority(self) -> str:
        """Host and port, as a Host header and gRPC want them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def context(self) -> ssl.SSLContext | None:
        """The settings of a secured connection, or None for a plain one. E681 for files that cannot be read."""
        if not self.is_secure:
            return None
        try:
            found = ssl.create_default_context(cafile=self.tls.ca or None)
            if self.tls.certificate:
                found.load_cert_chain(self.tls.certificate, self.tls.key or None)
        except OSError as error:  # ssl.SSLError is one
            raise UserError(
                "E681",
                "the files of the secured connection cannot be used",
                why=str(error),
                hint="--ca, --certificate and --key name PEM files",
            ) from None
        return found


def parse_url(text: str, protocol: Protocol, tls: Tls | None = None) -> Endpoint:
    """`host`, `host:port`, `https://host:port/prefix`, `grpcs://host:port`. E681 for anything else."""
    item = _URL.fullmatch(text or "localhost")
    scheme = (item["scheme"] or protocol) if item else ""
    if item is None or not scheme.startswith(protocol) or scheme not in _SECURE or int(item["port"] or 1) > 65535:
        raise UserError(
            "E681",
            f"'{text}' is not the address of a server that speaks {protocol}",
            hint=f"--url localhost:{PORTS[protocol]}, or {protocol}s://host:port for a secured connection",
        )
    path = (item["path"] or "").rstrip("/")
    port = int(item["port"] or PORTS[protocol])
    return Endpoint(protocol, item["host"].strip("[]"), port, _SECURE[scheme], path, tls or Tls())
