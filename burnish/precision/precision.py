"""The precision that a build asks for, and its decision for each node."""

from __future__ import annotations

from dataclasses import dataclass

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.precision.ranges import Ranges

_NAMES = {
    "f32": DType.F32, "fp32": DType.F32, "f16": DType.F16, "fp16": DType.F16, "half": DType.F16, "bf16": DType.BF16,
}  # fmt: skip
INT8 = "int8"
WORDS = {DType.F32: "fp32", DType.F16: "fp16", DType.BF16: "bf16"}


@dataclass(frozen=True, slots=True)
class Precision:
    """values: the type for f32 values where that is safe (F32: no change). outputs: the type for f32 outputs.

    ranges: of tensors that become codes of 8 bits; None: none does
    """

    values: DType = DType.F32
    outputs: DType = DType.F32
    ranges: Ranges | None = None

    @property
    def extensions(self) -> tuple[str, ...]:
        """The CPU extensions that compute in this precision."""
        return ("amx", "bf16") if self.values is DType.BF16 else ()

    @property
    def words(self) -> dict[str, str]:
        """The words for it in a plan's options."""
        values = WORDS[self.values]
        if self.ranges is not None:
            values = INT8 if self.values is DType.F32 else f"{INT8}+{values}"
        return {"precision": values, "output_precision": WORDS[self.outputs]}

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


def parse_precision(values: str = "fp32", outputs: str | None = None, ranges: Ranges | None = None) -> Precision:
    """Read `fp32`, `fp16`, `bf16`, `int8`, `int8+fp16` or `int8+bf16`. Outputs stay f32 unless another type is given.

    ranges: of the tensors, which int8 needs
    raises: E610 for any other word, E720 for int8 without ranges or ranges without int8
    """
    word, has_codes = values, False
    if isinstance(values, str) and values.partition("+")[0] == INT8:
        word, has_codes = values.partition("+")[2] or "fp32", True
    if has_codes != (ranges is not None):
        raise _no_ranges() if has_codes else _no_int8()
    wanted = _read(word, values), _read("fp32" if outputs is None else outputs, outputs)
    return Precision(*wanted, ranges)


def _read(word: str, given: object) -> DType:
    if not isinstance(word, str) or word not in _NAMES:
        raise UserError(
            "E610",
            f"precision '{given}' is not one Burnish builds",
            why=f"it is one of {', '.join(WORDS.values())}, int8, int8+fp16, int8+bf16",
            hint="fp8 is not there yet; a model that is quantised already builds as it is",
        )
    return _NAMES[word]


def _no_ranges() -> UserError:
    return UserError(
        "E720",
        "int8 needs the ranges of the model's tensors",
        why="a code of 8 bits says nothing before its scale is known, and the model has none",
        hint="burnish build --int8 --calib DATA, or build(..., ranges=burnish.calibrate(model, data))",
    )


def _no_int8() -> UserError:
    why = "only codes of 8 bits have ranges"
    return UserError("E720", "ranges are given, and the precision is not int8", why=why, hint="precision='int8'")
