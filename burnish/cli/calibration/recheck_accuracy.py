"""`burnish verify --eval-data`: a plan's budgets, measured once more."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from burnish.cli.output import print_table
from burnish.cli.progress import progress
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.calibration import Rechecked


class Recheck(NamedTuple):
    """The options, as given."""

    eval_data: Path | None
    labels: Path | None
    decode: Path | None
    preprocess: Path | None
    max_error: list[str] | None


def recheck_accuracy(model: Path, plan: Path, given: Recheck, threads: int | None) -> Sequence[Rechecked]:
    """What the plan measures now; nothing without --eval-data. E622 for an option that does nothing without it."""
    from burnish.calibration import Evaluation, recheck
    from burnish.plan import read

    if given.eval_data is None:
        named = zip(("--labels", "--decode", "--calib-preprocess", "--max-error"), given[1:], strict=True)
        if unused := next((name for name, value in named if value), None):
            why, hint = "no accuracy is measured", "add --eval-data DATA, or leave it out"
            raise UserError("E622", f"{unused} has no effect here", why=why, hint=hint)
        return ()
    evaluation = Evaluation(given.eval_data, given.labels, given.preprocess, given.decode)
    with progress() as advance:
        return recheck(model, read(plan), evaluation, given.max_error, threads=threads, progress=advance)


def show_recheck(rows: Sequence[Rechecked]) -> None:
    """A line for each budget."""
    verdicts = [(row.budget, f"{row.found:.4g}", "ok" if row.is_met else "MISSED") for row in rows]
    print_table(("budget", "measured now>", "verdict"), verdicts)
