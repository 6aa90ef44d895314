"""The precision that a build asks for, and its decision for each node."""

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
    """values: the type for f32 values where that is safe (F32: no change). outputs: the type for f32 outputs."""

    values: DType = DType.F32
    outputs: DType = DType.F32

    @property
    def extensions(self) -> tuple[str, ...]:
        """The CPU extensions that compute in this precision."""
        return ("amx", "bf16") if self.values is DType.BF16 else ()

    @property
    def words(self) -> dict[str, str]:
        """The words for it in a plan's options."""
        return {"precision": WORDS[self.values], "output_precision": WORDS[self.outputs]}

    @property
    def is_narrow(self) -> bool:
        """Does anything change?"""
        return self.values is not DType.F32 or self.outputs is not DType.F32


@dataclass(frozen=True, slots=True)
class Decision:
    """One node: its type before, its type now, and the reason. A line of `--explain-precision`.

    target: in a build for several targets, if they differ
    """

    node: str
    op_type: str
    was: str
    now: str
    why: str
    target: str = ""


UNCHANGED = Precision()


def parse_precision(values: str = "fp32", outputs: str | None = None) -> Precision:
    """Read `fp32`, `fp16` or `bf16`. Outputs stay f32 unless another type is given. E610 for any other word."""
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
