"""Targets: what a plan is compiled for. `cpu:x86-64-v4`, `cpu:x86-64-v4+vnni+bf16`, `cuda:sm_90a`.

A CPU target is a feature level (the x86-64 psABI's v2, v3, v4) and extensions, never a host's name, so that
the same command gives the same code on every machine.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from burnish.errors import UserError

ARCHITECTURES = ("sm_75", "sm_80", "sm_89", "sm_90a", "sm_100", "sm_120")
LEVELS = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
EXTENSIONS = ("vnni", "bf16", "amx")
INTEGER_EXTENSIONS = ("vnni", "amx")  # those with instructions for products of bytes
CHECKED = "checked"  # for tests: code that compares every address with the slot it belongs to
VECTOR_BYTES = {"x86-64-v2": 16, "x86-64-v3": 32, "x86-64-v4": 64}
# what each level needs beyond the one before, by Linux's names (/proc/cpuinfo)
LEVEL_FLAGS = {
    "x86-64-v2": ("cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"),
    "x86-64-v3": ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"),
    "x86-64-v4": ("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"),
}
EXTENSION_FLAGS = {"vnni": ("avx512_vnni",), "bf16": ("avx512_bf16",), "amx": ("amx_tile", "amx_int8", "amx_bf16")}
IMPLIED = {"amx": ("bf16", "vnni")}  # code with tiles uses them too; every processor with AMX has them


@dataclass(frozen=True, order=True, slots=True)
class Target:
    """A device kind, a level (or architecture) and extensions."""

    kind: str
    level: str
    extensions: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "+".join((f"{self.kind}:{self.level}", *self.extensions))

    @property
    def vector_bytes(self) -> int:
        """Bytes of a SIMD register (cpu)."""
        return VECTOR_BYTES[self.level]

    @property
    def capability(self) -> int:
        """Compute capability as one number, 90 for sm_90a (cuda)."""
        return int(self.level.removeprefix("sm_").rstrip("a"))

    @property
    def rank(self) -> tuple[int, int]:
        """Rank among targets of the same kind; a higher rank gives faster code."""
        useful = [e for e in self.extensions if e != CHECKED]
        return (ARCHITECTURES if self.kind == "cuda" else LEVELS).index(self.level), len(useful)

    @property
    def has_tiles(self) -> bool:
        """May code for this target use AMX (cpu)? Checked code does not: its accesses are plain loads and stores."""
        return "amx" in self.extensions and not self.is_checked

    @property
    def is_checked(self) -> bool:
        """Does code for this target check every address it uses (cpu)?"""
        return CHECKED in self.extensions

    @property
    def needed_flags(self) -> tuple[str, ...]:
        """The processor flags, by Linux's names, that code for this target may use (cpu)."""
        levels = LEVELS[: LEVELS.index(self.level) + 1]
        flags = [f for lv in levels for f in LEVEL_FLAGS[lv]]
        return tuple(flags + [f for e in with_implied(self.extensions) for f in EXTENSION_FLAGS.get(e, ())])


def parse_target(text: str) -> Target:
    """From `cpu:x86-64-v3`, `cpu:x86-64-v4+vnni`, `cuda:sm_90a`. E301 for others; devices know what `cpu` means."""
    kind, _, rest = text.partition(":")
    level, *extensions = rest.split("+")
    if kind == "cuda" and level in ARCHITECTURES and not extensions:
        return Target(kind, level)
    if kind == "cpu" and level in LEVELS and all(e in (*EXTENSIONS, CHECKED) for e in extensions):
        return Target(kind, level, with_implied(extensions))
    raise UserError(
        "E301",
        f"target '{text}' is not one Burnish can build for",
        why=f"targets are cpu, cpu:LEVEL with one of {', '.join(LEVELS)} and any of +{' +'.join(EXTENSIONS)}, "
        f"and cuda:ARCHITECTURE with one of {', '.join(ARCHITECTURES)}",
        hint=_suggestion(text),
    )


def with_implied(extensions: Iterable[str]) -> tuple[str, ...]:
    """The extensions and what they bring with them, in order."""
    named = tuple(extensions)
    return tuple(sorted({*named, *(more for e in named for more in IMPLIED.get(e, ()))}))


def _suggestion(text: str) -> str:
    """A guess at the target that is meant: sm_90, sm_86 (it runs sm_80's code), an architecture, a product's name."""
    word = text.strip().lower().rpartition(":")[2].removeprefix("sm_").removeprefix("sm").replace(".", "").rstrip("a")
    by_number = {a.removeprefix("sm_").rstrip("a"): a for a in ARCHITECTURES} | {"86": "sm_80", "87": "sm_80"}
    if word in by_number:
        return f"did you mean cuda:{by_number[word]}?"
    if text.strip().lower() in ("gpu", "nvidia"):
        return "did you mean cuda, the GPU of the machine at hand?"
    close = difflib.get_close_matches(text, [f"cpu:{level}" for level in LEVELS], 1, 0.8)
    return f"did you mean {close[0]}?" if close else "use --target cpu or --target cuda for the machine at hand"
