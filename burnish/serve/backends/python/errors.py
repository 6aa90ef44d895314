"""How an exception of a model is told to clients: as Triton's Python backend tells it."""

from __future__ import annotations

import traceback
from pathlib import Path

_OWN = str(Path(__file__).parent)


def told(error: BaseException) -> str:
    """Type and message, then the places of the model's code, the innermost first."""
    places = [
        f"  {frame.filename}({frame.lineno}): {frame.name}\n"
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if not frame.filename.startswith((_OWN, "<frozen"))
    ]
    start = f"{type(error).__name__}: {error}"
    return start + ("\n\nAt:\n" + "".join(places) if places else "")
