"""`burnish build` with --calib and --max-error: ranges from samples, and layers raised until a budget is met."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from burnish.cli.calibration.calibrate import ranges_for_build
from burnish.cli.calibration.show_accuracy import draw
from burnish.cli.output import note
from burnish.cli.progress import Advance
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.plan import Plan


class Narrowing(NamedTuple):
    """The options that say how a build becomes narrow, as given."""

    calib: Path | None
    preprocess: Path | None
    method: str | None
    save_quantised: Path | None
    max_error: list[str] | None
    eval_data: Path | None
    labels: Path | None
    decode: Path | None
    curve: Path | None

    @property
    def has_samples(self) -> bool:
        """Does --calib name samples?"""
        from burnish.calibration import is_range_file

        return self.calib is not None and not is_range_file(self.calib)


def build_narrow(
    model: Path, given: Narrowing, bounds: dict[str, Any], flags: dict[str, Any], advance: Advance
) -> Plan:
    """`burnish.build`, with the ranges of --calib, and within the budgets of --max-error.

    raises: E622 for an option that does nothing here, E766 if nothing is there to measure with; as for `build`
    """
    import burnish

    _check(given)
    options = {**bounds, **flags, "progress": advance}
    preprocess = None if given.eval_data is not None and not given.has_samples else given.preprocess
    save, config = None if given.max_error else given.save_quantised, flags["precision_config"]
    ranges = ranges_for_build(
        model, given.calib, preprocess, given.method, save, config, flags["precision"], bounds, advance
    )
    if not given.max_error:
        return burnish.build(model, ranges=ranges, **options)
    from burnish.calibration import Evaluation, accuracy_of, build_within, quantised_model, ranges_of, save_model

    data = given.eval_data or given.calib
    if given.eval_data is None:
        note("accuracy is measured on the samples of --calib; --eval-data DATA gives others, and is the better proof")
    evaluation = Evaluation(data, given.labels, given.preprocess, given.decode)
    plan = build_within(model, given.max_error, evaluation, ranges=ranges, **options)
    if given.save_quantised is not None:
        shapes = {name: bounds[name] for name in ("shapes", "profile", "batch")}
        proto = quantised_model(model, ranges_of(plan), **shapes, precision_config=config, precision=flags["precision"])
        save_model(proto, given.save_quantised)
    measured = accuracy_of(plan)
    if given.curve is not None and measured is not None:
        draw(measured, given.curve, model.stem)
    return plan


def _check(given: Narrowing) -> None:
    """E622 for what does nothing without --max-error, E766 if there is nothing to measure with."""
    if given.max_error:
        if given.eval_data is None and not given.has_samples:
            why = "--calib holds ranges, and no samples" if given.calib else "there are neither samples nor --calib"
            raise UserError("E766", "there is nothing to measure accuracy with", why=why, hint="add --eval-data DATA")
        if given.save_quantised is not None and given.calib is None:
            why, hint = "nothing is quantised", "add --int8 --calib DATA, or leave it out"
            raise UserError("E622", "--save-quantised has no effect here", why=why, hint=hint)
        return
    names = {"--eval-data": given.eval_data, "--labels": given.labels, "--decode": given.decode, "--curve": given.curve}
    if unused := next((name for name, value in names.items() if value is not None), None):
        why, hint = "no accuracy is measured", "add --max-error top1=0.5%, or leave it out"
        raise UserError("E622", f"{unused} has no effect here", why=why, hint=hint)
