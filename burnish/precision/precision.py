"""The precision that a build asks for, and its decision for each node."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.precision.layers import ANY, LayerRule, precision_of_nodes
from burnish.precision.ranges import Ranges
from burnish.precision.words import FP8, INT8, KINDS, float_of, joined, kind_of

_NAMES = {
    "f32": DType.F32, "fp32": DType.F32, "f16": DType.F16, "fp16": DType.F16, "half": DType.F16, "bf16": DType.BF16,
}  # fmt: skip
ASKED = "it was asked to stay"
WORDS = {DType.F32: "fp32", DType.F16: "fp16", DType.BF16: "bf16"}


@dataclass(frozen=True, slots=True)
class Precision:
    """values: the type for f32 values where that is safe (F32: no change). outputs: the type for f32 outputs.

    ranges: of tensors that become codes of 8 bits; None: none does. codes: their kind where no rule says another
    layers: rules for some nodes; if there are any, the first one fits all nodes and is what the build asked for
    """

    values: DType = DType.F32
    outputs: DType = DType.F32
    ranges: Ranges | None = None
    layers: tuple[LayerRule, ...] = ()
    codes: str = ""

    @property
    def extensions(self) -> tuple[str, ...]:
        """The CPU extensions that compute in this precision."""
        return ("amx", "bf16") if self.values is DType.BF16 else ()

    @property
    def words(self) -> dict[str, Any]:
        """The words for it in a plan's options."""
        values = joined(self.codes, WORDS[self.values])
        layers = {"precision_layers": [rule.words for rule in self.layers]} if self.layers else {}
        return {"precision": values, "output_precision": WORDS[self.outputs], **layers}

    def kept_wide(self, graph: ir.Graph) -> frozenset[ir.Node]:
        """The nodes that keep f32, since a rule says so."""
        chosen = precision_of_nodes(graph, self.layers)
        return frozenset(node for node, word in chosen.items() if float_of(word) == "fp32")

    def kept_from_codes(self, graph: ir.Graph) -> frozenset[ir.Node]:
        """The nodes that do not multiply codes, since a rule says so."""
        chosen = precision_of_nodes(graph, self.layers)
        return frozenset(node for node, word in chosen.items() if not kind_of(word))

    def kinds_of_codes(self, graph: ir.Graph) -> dict[ir.Node, str]:
        """The kind of codes of the nodes of which a rule says it; others have `codes`."""
        chosen = precision_of_nodes(graph, self.layers)
        return {node: kind for node, word in chosen.items() if (kind := kind_of(word))}

    @property
    def multiplies_float8(self) -> bool:
        """Does the build, or a rule, ask for it?"""
        return FP8 in (self.codes, *(kind_of(rule.precision) for rule in self.layers))

    def stated_numbers(self, graph: ir.Graph) -> frozenset[ir.Node]:
        """The nodes for which a caller's rule says a float: they take no codes, even in a model that is quantised."""
        chosen = precision_of_nodes(graph, self.layers[1:])
        return frozenset(node for node, word in chosen.items() if not kind_of(word))

    @property
    def is_narrow(self) -> bool:
        """Does anything change?"""
        return self.values is not DType.F32 or self.outputs is not DType.F32


@dataclass(frozen=True, slots=True)
class Decision:
    """One node: its type before, its type now, and the reason. A line of `--explain-precision`.

    target: in a build for several targets, if they differ; missing: the tensor whose range is not known, if that is why
    """

    node: str
    op_type: str
    was: str
    now: str
    why: str
    target: str = ""
    missing: str = ""


UNCHANGED = Precision()


def parse_precision(
    values: str = "fp32",
    outputs: str | None = None,
    ranges: Ranges | None = None,
    layers: Sequence[LayerRule] = (),
) -> Precision:
    """Read `fp32`, `fp16`, `bf16`, `int8`, `fp8`, or codes and a float as in `int8+fp16`. Outputs stay f32 unless
    another type is given.

    ranges: of the tensors, which codes need; layers: rules for some nodes
    raises: E610 for any other word or two narrow floats, E720 for codes without ranges or ranges without codes
    """
    own, kind = _read_word(values)
    rules = (LayerRule(values if kind else WORDS[own], (ANY,)), *layers) if layers else ()
    words = [_read_word(rule.precision) for rule in rules]
    kinds = [found for found in (kind, *(found for _, found in words)) if found]
    if bool(kinds) != (ranges is not None):
        raise _no_ranges(kinds[0]) if kinds else _no_codes()
    narrow = list(dict.fromkeys(dtype for dtype, _ in [(own, ""), *words] if dtype is not DType.F32))
    if len(narrow) > 1:
        names = " and ".join(WORDS[dtype] for dtype in narrow)
        raise UserError("E610", f"{names} exclude each other", hint="one plan has one float of 16 bits: choose it")
    values_as = narrow[0] if narrow else DType.F32
    outputs_as = _read("fp32" if outputs is None else outputs, outputs)
    return Precision(values_as, outputs_as, ranges, rules, (*kinds, "")[0])


def _read_word(values: str) -> tuple[DType, str]:
    """The float of a precision, and the kind of the codes that products multiply."""
    kind = kind_of(values) if isinstance(values, str) else ""
    return _read(float_of(values) if kind else values, values), kind


def _read(word: str, given: object) -> DType:
    if not isinstance(word, str) or word not in _NAMES:
        raise UserError(
            "E610",
            f"precision '{given}' is not one Burnish builds",
            why=f"it is one of {', '.join(WORDS.values())}, {' and '.join(KINDS)}, or both as in int8+fp16",
            hint="a model that is quantised already builds as it is",
        )
    return _NAMES[word]


def _no_ranges(kind: str) -> UserError:
    return UserError(
        "E720",
        f"{kind} needs the ranges of the model's tensors",
        why="a code of 8 bits says nothing before its scale is known, and the model has none",
        hint=f"burnish build --{kind} --calib DATA, or build(..., ranges=burnish.calibrate(model, data))",
    )


def _no_codes() -> UserError:
    why, hint = "only codes of 8 bits have ranges", f"precision='{INT8}' or '{FP8}'"
    return UserError("E720", "ranges are given, and the precision is neither int8 nor fp8", why=why, hint=hint)
