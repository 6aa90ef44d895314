"""Why a plan's answers are far from its model's: where error enters, its cause, the smallest change that mends it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.building import build
from burnish.calibration.kept import Kept
from burnish.calibration.preprocess import load_preprocess
from burnish.calibration.samples import open_samples
from burnish.devices import Device
from burnish.doctor.finding import Diagnosis, Remedy
from burnish.doctor.locate import Located, locate
from burnish.doctor.observe import Progress, Sample
from burnish.doctor.rebuilt import build_arguments
from burnish.doctor.reference import Reference, open_reference
from burnish.doctor.remedy import find_remedy
from burnish.plan import Plan, read
from burnish.runtime import Engine, load

Array = np.ndarray[Any, Any]
OF_CODES = frozenset({"QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "DynamicQuantizeLSTM"})


def diagnose(
    model: Any,
    plan: str | os.PathLike[str] | Plan,
    data: Any,
    *,
    reference: Any = None,
    preprocess: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    device: Device | str | None = None,
    remedy: bool = True,
    progress: Progress | None = None,
) -> Diagnosis:
    """Compare a plan with its f32 model at every launch, find where error enters, and what would mend it.

    model:      the one that the plan was built from; data: samples, as for `calibrate`
    reference:  the f32 model that a quantised `model` was made from; without it `model` is compared with itself,
                without its QuantizeLinear and DequantizeLinear
    preprocess: as for `calibrate`; device: as for `load`
    remedy:     build plans with the layers raised that were found, until one is mended, and time it
    raises:     E721, E722, E745 for the data; E757 for a plan of another model, E758 for one that this version does not
                make, E759 for a reference of other inputs; E5xx from the runtime
    """
    found = plan if isinstance(plan, Plan) else read(plan)
    step = progress or (lambda what, done, total: None)
    stated = None if preprocess is None else load_preprocess(preprocess)
    own = build_arguments(found)
    with load(found, threads=threads, device=device) as engine:
        samples = Kept(open_samples(data, engine.manifest.inputs, stated, engine.manifest.symbols))
        with open_reference(
            model if reference is None else reference, found.manifest, own["profile"], threads
        ) as exact:

            def look(one: Plan, on: Engine) -> Located:
                return locate(model, one, on, exact, samples, step)

            located = look(found, engine)
            notes = _notes_on(exact, reference is not None)
            cure = None
            if remedy and located.findings:
                cure = _remedy(model, found, engine, located, look, exact, samples)
    return _diagnosis(found, located, cure, notes)


def _remedy(
    model: Any,
    plan: Plan,
    engine: Engine,
    located: Located,
    look: Any,
    reference: Reference,
    samples: Sequence[Sample],
) -> Remedy | None:
    arguments = build_arguments(plan)
    before = list((arguments.pop("precision_config") or {"layers": ()})["layers"])

    def rebuilt(rules: Sequence[Mapping[str, Any]]) -> Plan:
        config = {"layers": [*before, *rules]}
        return build(model, target=engine.variant.target, precision_config=config, **arguments)

    def opened(one: Plan) -> Engine:
        return load(one, threads=engine.threads, device=engine.device)

    return find_remedy(located, rebuilt, opened, look, reference, samples, engine)


def _notes_on(exact: Reference, is_given: bool) -> list[str]:
    """What the f32 model cannot say. is_given: is it another one than the plan's?"""
    notes = []
    names = [node.op_type for node in exact.graph if node.op_type in OF_CODES]
    if names and not is_given:
        kinds = ", ".join(dict.fromkeys(names))
        notes.append(
            f"{len(names)} products are written on codes ({kinds}), and compared with themselves: what these have lost "
            "shows only beside the f32 model that they came from (--reference)"
        )
    hidden = len(list(exact.graph.all_nodes())) - len(exact.graph)
    if hidden:
        notes.append(f"{hidden} nodes stand in a branch of an If or in a Loop: tensors inside are not looked at")
    return notes


def _diagnosis(plan: Plan, located: Located, cure: Remedy | None, notes: list[str]) -> Diagnosis:
    outputs = {name: difference.whole for name, difference in located.seen.outputs.items()}
    if located.width == "f32":
        notes.append("the plan keeps every number in f32: there is no precision to diagnose")
    return Diagnosis(
        plan.manifest.model_name,
        str(plan.manifest.options.get("precision", "fp32")),
        located.target,
        located.seen.samples,
        located.error,
        located.limit,
        outputs,
        located.findings,
        located.rows,
        located.picture,
        cure,
        tuple(notes),
        tuple(plan.manifest.options.get("precision_layers", ())[1:]),
    )
