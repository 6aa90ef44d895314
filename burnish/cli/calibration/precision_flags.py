"""--precision, --fp16, --bf16, --int8, --fp8 and --best as `precision` and `precision_config` of `burnish.build`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.errors import UserError


@dataclass(frozen=True)
class Wanted:
    """The flags as given. named: --precision; best: codes too, of whichever kind"""

    named: str | None
    config: Path | None
    fp16: bool = False
    bf16: bool = False
    int8: bool = False
    fp8: bool = False
    best: bool = False

    def arguments(self, targets: Sequence[str] | None) -> dict[str, Any]:
        """E610 if the flags contradict each other. With --best, or both codes, the targets decide which codes."""
        from burnish.precision.words import float_of, joined, kind_of

        values = self._values()
        kinds = {
            name: on for name, on in (("int8", self.int8), ("fp8", self.fp8), (kind_of(values), True)) if on and name
        }
        if len(kinds) > 1 or (self.best and not kinds):
            from burnish.building.best_codes import best_codes

            precision, config = best_codes(float_of(values), targets, self.config)
            return {"precision": precision, "precision_config": config}
        own = values if kind_of(values) else joined(next(iter(kinds), ""), values)
        return {"precision": own, "precision_config": self.config}

    def _values(self) -> str:
        """--precision, or the float of the flags."""
        wanted = {name: f"--{name}" for name in ("fp16", "bf16") if getattr(self, name)}
        if self.named is not None:
            wanted.setdefault(self.named, f"--precision {self.named}")
        if len(wanted) > 1:
            first, second, *_ = wanted.values()
            raise UserError("E610", f"{first} and {second} exclude each other", hint="give one of them")
        return next(iter(wanted), "fp32")
