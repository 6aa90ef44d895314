"""Apply the precision of a build to the graph: choose the rewrite, and write the notes about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace

import onnx_ir as ir

from burnish.dtypes import DType
from burnish.ops.inference.infer import infer
from burnish.precision.narrow import narrow
from burnish.precision.precision import Decision, Precision
from burnish.precision.round_weights import PRODUCTS, WEIGHTS, round_weights


def apply_precision(
    model: ir.Model,
    sizes: Mapping[str, tuple[int, int]],
    precision: Precision,
    has_half: bool,
    bf16_codes: bool = False,
) -> tuple[Decision, ...]:
    """Rewrite an optimised model in place. Returns the decision for each node that computes on f32 values.

    sizes:    (min, max) of symbols, as for `infer`
    has_half: the target has arithmetic on tensors of that type; otherwise only weights are stored in it
    bf16_codes: bf16 data times codes of few bits are faster than f32 data
    """
    if not precision.is_narrow:
        return ()
    found = infer(model.graph, sizes=sizes)
    decisions: list[Decision] = []
    if precision.values is not DType.F32 and not has_half:
        decisions = round_weights(model.graph, found, precision.values, precision.kept_wide(model.graph))
        precision = replace(precision, values=DType.F32)
    decisions += narrow(model.graph, found, precision, bf16_codes)
    return tuple(decisions)


def precision_notes(decisions: Iterable[Decision], precision: Precision) -> Iterator[str]:
    """A line for the plan's notes. It also says if the requested precision changed nothing."""
    rows = list(decisions)
    narrow_rows = [d for d in rows if d.now != d.was]
    if narrow_rows:
        kept = f"{len(narrow_rows)} of {len(rows)} nodes run on {narrow_rows[0].now}"
        yield f"{kept}; --explain-precision says which and why"
    elif precision.values is not DType.F32:
        none = "no node computes on f32" if not rows else "no node could be narrowed; --explain-precision says why"
        yield f"{precision.words['precision']} was asked for: {none}"


def weight_notes(decisions: Iterable[Decision], narrow: Collection[str]) -> Iterator[str]:
    """A line for the plan's notes where a target computes in f32 and only weights are rounded.

    narrow: the nodes whose kernels read their weights in 16 bits
    """
    rounded = [d for d in decisions if d.now.endswith(WEIGHTS) and d.op_type in PRODUCTS]
    count = sum(d.node in narrow for d in rounded)
    if rounded and not count:
        yield "products run as in f32, with rounded weights: reading them in 16 bits would be faster for none"
    elif rounded:
        rest = "" if count == len(rounded) else "; the others run as in f32, with rounded weights"
        yield f"{count} of {len(rounded)} products read their weights in 16 bits, where that is faster{rest}"
