"""--int8, --fp8, --calib, --best and --layerPrecisions, as arguments of burnish.build.

Without a cache and without Q and DQ in the model trtexec gives every tensor a placeholder range, so that times can be
measured (sampleEngines.cpp, setTensorDynamicRange). So do we, and say aloud that answers are not kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from burnish.building.best_codes import best_codes
from burnish.calibration import calibrate, is_range_file, load_ranges
from burnish.calibration.placeholder_ranges import placeholder_ranges
from burnish.cli.trtexec.log import info, warning
from burnish.cli.trtexec.options import Options
from burnish.errors import UserError
from burnish.passes.forms.weights import PRODUCTS
from burnish.precision.layers import keeps_to, matched_by_name, rules_of
from burnish.precision.precision import Decision
from burnish.precision.precision_config import PrecisionConfig
from burnish.precision.quantised_products import ON_INTEGERS
from burnish.precision.ranges import Ranges
from burnish.precision.words import float_of, kind_of

PLACEHOLDERS = (
    "--int8 or --fp8 without --calib: every tensor has a placeholder range, as in TensorRT's trtexec. Times are right, "
    "ANSWERS ARE NOT. Calibrate for answers: --calib=FILE.cache, or --calib=samples.npz"
)


def precision_arguments(options: Options) -> dict[str, Any]:
    """`precision`, `ranges` and `precision_config` for the build."""
    config: dict[str, Any] = {"precision_config": _config(options)} if options.layers else {}
    if not kind_of(options.precision):
        if options.calib:
            warning("--calib changes nothing without --int8, --fp8 or --best")
        return {"precision": options.precision, **config}
    graph = onnx.load(options.onnx, load_external_data=False).graph
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in graph.node):
        info("The model has Q and DQ nodes, which say its precision: --calib is not read")
        return {"precision": float_of(options.precision), **config}
    precision: str = options.precision
    if options.has_both_codes:
        targets = [options.target] if options.target else None
        precision, rules = best_codes(float_of(precision), targets, config.get("precision_config"))
        config = {"precision_config": rules}
    return {"precision": precision, "ranges": _ranges(options, graph, precision, **config), **config}


def check_layers(options: Options, decisions: Sequence[Decision]) -> None:
    """Warn of products that do not compute as --layerPrecisions asks; E658 with --precisionConstraints=obey."""
    if not options.layers:
        return
    rules = rules_of(_config(options)["layers"])
    for row in decisions:
        fitting = [rule.precision for rule in rules if matched_by_name(row.node, rule)]
        if row.op_type not in ON_INTEGERS.union(PRODUCTS) or not fitting:
            continue
        if not keeps_to(row.now, fitting[-1]):
            what = f"layer '{row.node}' cannot compute in {fitting[-1]}: it is {row.now}"
            if options.must_obey:
                raise UserError("E658", what, why=row.why, hint="--precisionConstraints=prefer builds it all the same")
            warning(f"{what} ({row.why})")


def _config(options: Options) -> dict[str, Any]:
    return {"layers": [{"nodes": [name], "precision": word} for name, word in options.layers]}


def _ranges(
    options: Options, graph: onnx.GraphProto, precision: str, precision_config: PrecisionConfig = None
) -> Ranges:
    if not options.calib:
        warning(
            "Calibrator is not being used. Users must provide dynamic range for all tensors that are not Int32 or Bool."
        )
        warning(PLACEHOLDERS)
        return placeholder_ranges(graph)
    if is_range_file(options.calib):
        return load_ranges(options.calib)
    shapes = {name: shape for name, shape in options.shapes.items() if name not in options.ranges} or None
    how: dict[str, Any] = {"precision": precision, "precision_config": precision_config}
    return calibrate(Path(options.onnx), options.calib, shapes=shapes, profile=options.ranges or None, **how)
