"""A remedy as a file: what `burnish build --precision-config` takes."""

from __future__ import annotations

import json
import os
from typing import Any

from burnish.doctor.finding import Diagnosis
from burnish.plan import write_atomically


def fix_text(found: Diagnosis) -> str:
    """The TOML, with a comment for each finding. The rules that the plan was built with come first."""
    assert found.remedy is not None, "there is a remedy"
    lines = [f"# {each.cause.title} at {_one_line(each.layer)}" for each in found.findings]
    for rule in (*found.layers, *found.remedy.layers):
        lines += ["", "[[layers]]", *(f"{key} = {_value(value)}" for key, value in rule.items())]
    return "\n".join(lines) + "\n"


def write_fix(found: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Write the file. E403 if it cannot be written."""
    write_atomically(path, [fix_text(found).encode()])


def _value(value: Any) -> str:
    """Texts as in JSON, which TOML reads alike."""
    return json.dumps(list(value) if isinstance(value, list | tuple) else value, ensure_ascii=True)


def _one_line(name: str) -> str:
    return " ".join(name.split())
