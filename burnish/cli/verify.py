"""`burnish verify`: does the plan give the same answers as the model?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.calibration.calibrate import CalibPreprocess
from burnish.cli.calibration.gate_options import Decode, EvalData, Labels, MaxErrors
from burnish.cli.calibration.recheck_accuracy import Recheck, recheck_accuracy, show_recheck
from burnish.cli.calibration.show_accuracy import accuracy_facts, show_accuracy
from burnish.cli.options import AsJson, Device, Threads
from burnish.cli.output import note, print_json, print_table
from burnish.cli.parse_shapes import parse_shapes
from burnish.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from burnish.calibration import Rechecked
    from burnish.plan import Plan
    from burnish.verification import VerifyReport


def verify(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan built from it.", show_default=False)],
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Inputs: an .npz file, or a folder with input_0.pb or test_data_set_0/."),
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option("--shapes", metavar="SHAPES", help="Shapes of the random inputs: NAME:1x3x224x224,..."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the random inputs.")] = 0,
    threads: Threads = None,
    device: Device = None,
    oracle: Annotated[
        str,
        typer.Option(
            "--oracle", help="What to compare with: onnxruntime or reference (default: the first that is installed)."
        ),
    ] = "",
    tolerance: Annotated[
        float | None,
        typer.Option(
            "--tolerance",
            help="Largest error allowed, relative to an output's largest value (default: derived from type and depth).",
        ),
    ] = None,
    first_divergent: Annotated[
        bool, typer.Option("--first-divergent", help="If an output is rejected, find the first tensor that differs.")
    ] = False,
    eval_data: EvalData = None,
    labels: Labels = None,
    decode: Decode = None,
    preprocess: CalibPreprocess = None,
    max_error: MaxErrors = None,
    as_json: AsJson = False,
) -> None:
    """Compare every output of a plan with ONNX Runtime's. The exit code is 1 if one differs too much."""
    from burnish.calibration import verify as compare_all

    bound = parse_shapes(shapes or ())
    with progress() as advance:
        report = compare_all(
            model,
            plan,
            data=data,
            shapes=bound or None,
            seed=seed,
            threads=threads,
            device=device,
            oracle=oracle,
            tolerance=tolerance,
            rebuild=(lambda source: _rebuild(source, plan)) if first_divergent else None,
            progress=advance,
        )
    again = recheck_accuracy(model, plan, Recheck(eval_data, labels, decode, preprocess, max_error), threads)
    _show(report, plan, again, as_json)
    if not report.is_accepted or not all(row.is_met for row in again):
        raise typer.Exit(1)


def _rebuild(source: bytes, path: Path) -> Plan:
    """Build the marked model for the same shapes and target as the plan. A model of codes says them by itself."""
    import burnish
    from burnish.calibration import profile_of
    from burnish.plan import open_plan
    from burnish.precision.words import float_of

    manifest = open_plan(path).manifest
    target, precision = manifest.variants[0].target, manifest.options.get("precision", "fp32")
    return burnish.build(source, profile=profile_of(manifest), target=target, precision=float_of(precision))


def _show(report: VerifyReport, plan: Path, again: Sequence[Rechecked], as_json: bool) -> None:
    """The report; what was measured when the plan's layers were chosen, and what is measured now."""
    from burnish.plan import read

    measured = accuracy_facts(read(plan))
    if as_json:
        rows = {"rechecked": list(map(asdict, again))} if again else {}
        print_json(report.as_dict() | {name: found.as_dict for name, found in measured.items()} | rows)
        return
    _print(report)
    if measured:
        show_accuracy(measured["accuracy"])
    if again:
        show_recheck(again)


def _print(report: VerifyReport) -> None:
    rows = [
        (
            c.name,
            c.dtype,
            "x".join(map(str, c.shape)) or "scalar",
            f"{c.max_abs:.2e}",
            f"{c.max_relative:.2e}",
            f"{c.tolerance:.1e}",
            c.max_ulp,
            f"{c.cosine:.8f}",
            "ok" if c.is_accepted else "REJECTED",
        )
        for case in report.cases.values()
        for c in case
    ]
    print_table(
        ("output", "type", "shape", "max abs>", "relative>", "allowed>", "max ulp>", "cosine>", "verdict"), rows
    )
    for case, outputs in report.cases.items():
        for c in outputs:
            if not c.is_accepted:
                note(f"{case}: {c.name}: {c.reason}")
    if report.divergence is not None:
        found = report.divergence
        if found.tensor:
            after = found.after or "the inputs"
            print(f"first divergent: {found.tensor}, of {found.operator} '{found.node}'; agrees up to {after}")
        else:
            print("no tensor differs when it is looked at: the fault lies in a fusion that looking prevents")
    for case, outputs in report.distance.items():
        for c in outputs:
            print(
                f"from f32, {case}: {c.name} differs by {c.rms_relative:.2e} (root mean square), cosine {c.cosine:.6f}"
            )
    note(f"oracle: {report.oracle}{' on the quantised model' if report.distance else ''}; {', '.join(report.cases)}")
