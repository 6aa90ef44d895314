"""The files of a model that come with the request to load it."""

from __future__ import annotations

import base64
import binascii
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from burnish.serve.config.refusal import ConfigError, poll_failure

log = logging.getLogger("burnish.serve")


def write_files(name: str, files: Mapping[str, str | bytes]) -> Path:
    """The files of a load request as a folder of their own; none of them may lie outside it."""
    top = Path(tempfile.mkdtemp(prefix="burnish-model-"))
    folder = top / name
    for path, content in files.items():
        place = Path(path.lstrip("/"))  # Triton, too, takes what begins with a slash for a place in the model's folder
        if ".." in place.parts or not place.parts:
            shutil.rmtree(top)
            log.warning("load of '%s' failed: the file '%s' would lie outside the model's folder", name, path)
            raise poll_failure(name, ConfigError("a file would lie outside the model's folder"))
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content if isinstance(content, bytes) else _decoded(content))
    return folder


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)
    except binascii.Error:
        return b""  # Triton takes what it cannot decode for an empty file
