"""Run the model on the oracle and the plan on the runtime, on the same inputs, and judge every output."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.external_data_helper import load_external_data_for_model

from burnish.arguments import expect, expect_function, number, whole_number
from burnish.dtypes import DType
from burnish.errors import EnvironmentProblem, UserError
from burnish.importers.load import read_file
from burnish.plan import Plan, is_plan, read
from burnish.plan.sample_inputs import sample_inputs
from burnish.precision.precision import parse_precision
from burnish.precision.words import float_of
from burnish.runtime import load
from burnish.runtime.present import as_array
from burnish.verification.compare import Array, Comparison, compare
from burnish.verification.conditioning import sensitivity
from burnish.verification.data_sets import Data, load_cases
from burnish.verification.divergence import Divergence, first_divergent
from burnish.verification.oracle import Oracle
from burnish.verification.tolerance import Tolerance, derive_tolerance, narrowest

Rebuild = Callable[[bytes], Plan]
Advance = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """cases: comparisons of every output, by set of inputs. divergence: where the difference began, if requested.

    distance: of a plan of codes from the f32 model, shown and not judged; `cases` compare with the quantised model
    """

    oracle: str
    cases: dict[str, tuple[Comparison, ...]]
    divergence: Divergence | None = None
    distance: dict[str, tuple[Comparison, ...]] = field(default_factory=dict)

    @property
    def is_accepted(self) -> bool:
        return all(c.is_accepted for case in self.cases.values() for c in case)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "accepted": self.is_accepted,
            "oracle": self.oracle,
            "outputs": _rows(self.cases),
            "first_divergent": self.divergence.as_dict() if self.divergence else None,
            **({"distance_from_f32": _rows(self.distance)} if self.distance else {}),
        }


def _rows(cases: Mapping[str, tuple[Comparison, ...]]) -> list[dict[str, Any]]:
    return [{"case": case, **c.as_dict()} for case, found in cases.items() for c in found]


def verify(
    model: str | os.PathLike[str],
    plan: str | os.PathLike[str] | Plan,
    *,
    data: Data | None = None,
    shapes: Mapping[str, Sequence[int]] | None = None,
    seed: int = 0,
    threads: int | None = None,
    device: str | None = None,
    oracle: str = "",
    tolerance: float | None = None,
    rebuild: Rebuild | None = None,
    progress: Advance | None = None,
) -> VerifyReport:
    """Compare a plan with the ONNX model it was built from.

    data:      inputs (a mapping, an .npz, a folder of .pb files); default: seeded random inputs
    shapes:    shapes of the random inputs; default: the profile's opt shapes
    device:    where the plan runs: cpu, cuda, cuda:1; default: the best that the plan has code for
    oracle:    onnxruntime | reference; default: the first that is installed
    tolerance: relative to an output's largest magnitude; default: derived from dtype and depth (tolerance.py), and
               measured if that rejects an output (conditioning.py)
    rebuild:   builds a plan from a serialised model; if given, a rejected plan's first divergent tensor is searched
    raises:    E605 for a value of a wrong kind; E711, E712 from the oracle, E713 for data, E714 for a plan of another
               model, E715 for a plan as the model, E5xx from the runtime
    """
    _check_arguments(model, data, seed, threads, rebuild, progress)
    tolerance = None if tolerance is None else number("tolerance", tolerance)
    found = plan if isinstance(plan, Plan) else read(plan)
    proto, _ = read_file(Path(model))
    judge = Oracle(Path(model), oracle, threads or 0)
    names = [t.name for t in found.manifest.inputs]
    _check_names(found, "input", names, [value.name for value in proto.graph.input])
    _check_names(found, "output", [t.name for t in found.manifest.outputs], judge.outputs)
    load_external_data_for_model(proto, str(Path(model).parent))
    cases = load_cases(data, names) if data is not None else {
        f"random inputs, seed {seed}": sample_inputs(found.manifest, shapes, seed)
    }  # fmt: skip
    stored = _stored(found)
    limits = {t.name: _limit(proto.graph, t.name, t.dtype, tolerance, stored) for t in found.manifest.outputs}
    judged: dict[str, tuple[Comparison, ...]] = {}
    step = progress or (lambda what, done, total: None)
    with load(found, threads=threads, device=device) as engine:
        for case, inputs in cases.items():
            step(f"oracle: {case}", 2 * len(judged), 2 * len(cases))
            expected = _in_types(found, judge(inputs, list(limits)))
            step(f"plan: {case}", 2 * len(judged) + 1, 2 * len(cases))
            ours = {name: as_array(value) for name, value in engine(inputs).items()}
            judged[case] = tuple(compare(n, ours[n], expected[n], limit) for n, limit in limits.items())
            if tolerance is None and not all(c.is_accepted for c in judged[case]):
                measured = _measured(limits, proto, inputs, expected, judge.kind)  # for these inputs only
                judged[case] = tuple(compare(n, ours[n], expected[n], limit) for n, limit in measured.items())
    divergence = None
    rejected = [case for case, outputs in judged.items() if not all(c.is_accepted for c in outputs)]
    if rejected and rebuild is not None:
        run = _runner(rebuild, threads, device)
        divergence = first_divergent(proto, cases[rejected[0]], run, judge.kind, tolerance)
    return VerifyReport(judge.kind, judged, divergence)


def _check_arguments(model: Any, data: object, seed: Any, threads: Any, rebuild: object, progress: object) -> None:
    """E605 for a value of a wrong kind, E715 for a plan as the model; the rest is checked where it is used."""
    expect("the model", model, (str, os.PathLike), "a path")
    if is_plan(model):
        what = "the model is a plan: verify takes the model first, then the plan"
        raise UserError("E715", what, where=str(model), hint="burnish verify MODEL PLAN")
    if data is not None:
        expect("data", data, (str, os.PathLike, Mapping), "a path, or arrays by input name")
    whole_number("seed", seed)
    if threads is not None:
        whole_number("threads", threads)
    for name, function in (("rebuild", rebuild), ("progress", progress)):
        if function is not None:
            expect_function(name, function, f"{name}=function")


def _stored(plan: Plan) -> DType:
    """The narrowest float that the plan keeps values in by its build options; f32 if it keeps the model's types.

    What becomes codes is in the quantised model, so that codes are no rounding of the plan's.
    """
    options = plan.manifest.options
    word = float_of(options.get("precision", "fp32"))  # codes have no rounding here
    found = parse_precision(word, options.get("output_precision", "fp32"))
    return narrowest([found.values, found.outputs])


def _in_types(plan: Plan, expected: Mapping[str, Array]) -> dict[str, Array]:
    """The oracle's f32 answers in the types that the build options gave the plan's outputs."""
    if plan.manifest.options.get("output_precision", "fp32") == "fp32":
        return dict(expected)
    types = {t.name: t.dtype.numpy for t in plan.manifest.outputs}
    return {n: a.astype(types[n]) if a.dtype == np.float32 else a for n, a in expected.items()}


def _limit(graph: Any, name: str, dtype: DType, given: float | None, stored: DType) -> Tolerance:
    """The given tolerance, or one derived from the narrowest float on the path."""
    kinds = {t.data_type for t in graph.initializer} | {
        a.i for n in graph.node if n.op_type == "Cast" for a in n.attribute if a.name == "to"
    }
    known = [DType.from_onnx(number) for number in kinds if number in {d.onnx for d in DType}]
    derived = derive_tolerance(graph, narrowest([dtype, *known]) if dtype.is_float else dtype, name)
    if given is None:
        return derived if stored is DType.F32 else derived.narrowed(stored)
    return Tolerance(given, derived.quantised, derived.layers, derived.terms)


def _measured(
    limits: Mapping[str, Tolerance],
    model: onnx.ModelProto,
    inputs: Mapping[str, Array],
    expected: Mapping[str, Array],
    oracle: str,
) -> dict[str, Tolerance]:
    """Limits no smaller than the change of the oracle's answer when weights and inputs change by one rounding."""
    try:
        moved = sensitivity(model, inputs, expected, oracle)
    except (ValueError, EnvironmentProblem):  # more than 2 GiB, or the oracle has no room for another copy
        return dict(limits)
    return {name: limit.widened(moved[name]) for name, limit in limits.items()}


def _check_names(plan: Plan, kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    missing = [name for name in names if name not in known]
    if missing:
        raise UserError(
            "E714",
            f"the plan's {kind} '{missing[0]}' is none of the model's",
            why=f"the model's are {', '.join(known)}; the plan was built from '{plan.manifest.model_name}'",
            hint="give the model that the plan was built from",
        )


def _runner(
    rebuild: Rebuild, threads: int | None, device: str | None
) -> Callable[[bytes, Mapping[str, Array]], dict[str, Array]]:
    def run(model: bytes, inputs: Mapping[str, Array]) -> dict[str, Array]:
        with load(rebuild(model), threads=threads, device=device) as engine:
            return engine(inputs)

    return run
