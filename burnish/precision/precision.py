"""What precision a build asks for, and what it decided for each node."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dtypes import DType
from burnish.errors import UserError

_NAMES = {
    "f32": DType.F32, "fp32": DType.F32, "f16": DType.F16, "fp16": DType.F16, "half": DType.F16, "bf16": DType.BF16,
}  # fmt: skip
WORDS = {DType.F32: "fp32", DType.F16: "fp16", DType.BF16: "bf16"}


@dataclass(frozen=True, slots=True)
class Precision:
    """values: what f32 values become where that is safe (F32: nothing changes). outputs: what f32 outputs become."""

    values: DType = DType.F32
    outputs: DType = DType.F32

    @property
    def extensions(self) -> tuple[str, ...]:
        """The extensions of a CPU that serve it."""
        return ("bf16",) if self.values is DType.BF16 else ()

    @property
    def words(self) -> dict[str, str]:
        """As a plan's options record it."""
        return {"precision": WORDS[self.values], "output_precision": WORDS[self.outputs]}

    @property
    def is_narrow(self) -> bool:
        """Does anything change?"""
        return self.values is not DType.F32 or self.outputs is not DType.F32


@dataclass(frozen=True, slots=True)
class Decision:
    """A node: what it computed on, what it does now, and why. A line of `--explain-precision`.

    target: of a build for several, where they differ
    """

    node: str
    op_type: str
    was: str
    now: str
    why: str
    target: str = ""


UNCHANGED = Precision()


def parse_precision(values: str = "fp32", outputs: str | None = None) -> Precision:
    """From `fp32`, `fp16`, `bf16`; outputs stay f32 unless asked otherwise. E610 for any other word."""
    found = []
    for word in (values, "fp32" if outputs is None else outputs):
        if not isinstance(word, str) or word not in _NAMES:
            raise UserError(
                "E610",
                f"precision '{word}' is not one Burnish builds",
                why=f"it is one of {', '.join(WORDS.values())}",
                hint="int8 and fp8 need calibration, which is not there yet; a model that is quantised builds as it is",
            )
        found.append(_NAMES[word])
    return Precision(*found)
