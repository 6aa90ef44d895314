"""Which codes are best where both int8 and float8 may be used: what `--best`, or both flags, means for some targets.

    GPUs from sm_89 on   float8 for MatMul and Gemm, int8 for convolutions
    others               int8, since they have no products of float8

Both run at one rate on tensor cores (benchmarks/gpu.md: 1,294 and 1,345 TOP/s on an H200), so that accuracy decides:
the data of transformers have outliers, which eat the equal steps of int8; float8 keeps the small numbers beside them.
Convolutions read what a Relu or a pool gives: 255 steps are finer there, and residual sums read their bytes, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from burnish.devices.this_machine import target_by_name
from burnish.precision.precision_config import PrecisionConfig, read_precision_config
from burnish.precision.words import FP8, INT8, joined
from burnish.targets import compiler_of

OF_FLOAT8 = ("MatMul", "Gemm")


def best_codes(
    values: str, targets: Iterable[str] | None, config: PrecisionConfig = None
) -> tuple[str, Mapping[str, Any] | PrecisionConfig]:
    """`precision` and `precision_config` of a build whose products may multiply either codes.

    values: the float beside them; targets: names, as for `build`; config: the user's own, whose rules hold first
    """
    names = [name.strip() for text in targets or ("cpu",) for name in text.split(",")]
    if not all(compiler_of(target_by_name(name)).abilities.float8 for name in names):
        return joined(INT8, values), config
    own = [rule.words for rule in read_precision_config(config)]
    best = {"operators": list(OF_FLOAT8), "precision": joined(FP8, values)}
    return joined(INT8, values), {"layers": [best, *own]}
