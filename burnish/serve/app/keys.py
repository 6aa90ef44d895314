"""API keys: a file of roles and hashes, read again when it changes.

    # role  SHA-256 of the key                 a name, for people
    admin   sha256:9f86d081884c7d65...         operations
    infer   sha256:60303ae22b998861...         the mobile application

A key is long and random, so that its hash alone gives nobody a key. A file that cannot be read changes nothing while
the server runs: the keys stay as they were, and the log says why.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import time
from collections.abc import Callable
from pathlib import Path

from burnish.errors import UserError

log = logging.getLogger("burnish.serve")

INFER, ADMIN = "infer", "admin"
ROLES = (INFER, ADMIN)
_LOOK_S = 1.0  # between looks at the file
_LINE = re.compile(r"(\S+)\s+sha256:([0-9a-fA-F]{64})(?:\s.*)?")


class Keys:
    """role(key) of the file as it is now, or at most a second ago."""

    def __init__(self, path: Path, now: Callable[[], float] = time.monotonic) -> None:
        """E649 if the file cannot be read or has a line that is no key."""
        self._path, self._now = path, now
        self._secret = secrets.token_bytes(32)
        self._seen = self._signature()
        self._entries = self._read()
        self._look_at = now() + _LOOK_S

    def role(self, key: bytes) -> str | None:
        """None for a key that is not there. The time that this takes tells nothing about the keys that are."""
        if self._now() >= self._look_at:
            self._look()
        digest = hashlib.sha256(key).digest()
        found = self._entries.get(self._place(digest))
        # Where to look depends on a secret of this process; what is found there is compared in constant time.
        return found[1] if found is not None and hmac.compare_digest(found[0], digest) else None

    def _place(self, digest: bytes) -> bytes:
        return hashlib.blake2b(digest, key=self._secret, digest_size=16).digest()

    def _look(self) -> None:
        self._look_at = self._now() + _LOOK_S
        seen = self._signature()
        if seen == self._seen:
            return
        self._seen = seen
        try:
            self._entries = self._read()
        except UserError as error:
            log.error("the API keys stay as they were: %s%s", error.what, f" ({error.why})" if error.why else "")
        else:
            log.info("%d API keys are read again", len(self._entries))

    def _signature(self) -> tuple[int, ...]:
        try:
            found = os.stat(self._path)
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> dict[bytes, tuple[bytes, str]]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UserError("E649", f"the API keys in {self._path} cannot be read", why=why or "") from None
        found: dict[bytes, tuple[bytes, str]] = {}
        for number, line in enumerate(lines, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            match = _LINE.fullmatch(text)
            if match is None or match[1] not in ROLES:
                raise UserError(
                    "E649",
                    f"line {number} of {self._path} is no API key",  # without the line, which may hold a key itself
                    why=f"a line is a role ({' or '.join(ROLES)}), sha256: with 64 hexadecimal digits, and a name",
                    hint="printf %s KEY | sha256sum makes the digits",
                )
            digest = bytes.fromhex(match[2])
            found[self._place(digest)] = digest, match[1]
        return found
