"""What a gate has measured, for people: the budgets, the layers, and the curve of error against time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.cli.output import note, print_facts, print_table

if TYPE_CHECKING:
    from burnish.plan import Plan
    from burnish.precision.accuracy import Accuracy


def show_accuracy(accuracy: Accuracy, more: dict[str, str] | None = None) -> None:
    """Budgets, layers and curve. more: facts that stand below the budgets."""
    print_facts(summary(accuracy) | {"raised": ", ".join(accuracy.raised) or "no layer"} | (more or {}))
    for line in accuracy.notes:
        note(line)
    if not accuracy.layers:
        note("the budget is met with no layer raised, so none was measured alone")
        return
    names = [judged.budget.rpartition("=")[0] for judged in accuracy.budgets]
    rows = [(x.layer, x.form, *(_numbers(x.alone, len(names))), f"{x.saved_ms:.4f}") for x in accuracy.layers]
    print_table(("layer", "form", *(f"{name} alone>" for name in names), "narrow saves ms>"), rows)
    points = [(p.raised, f"{p.ms:.4f}", *_numbers(p.found, len(names))) for p in accuracy.curve]
    print_table(("layers raised>", "ms>", *(f"{name}>" for name in names)), points)


def summary(accuracy: Accuracy) -> dict[str, str]:
    """The budgets and what was measured."""
    return {
        "budget": "\n".join(b.budget for b in accuracy.budgets),
        "measured": "\n".join(f"{b.found:.4g} on {accuracy.samples} samples" for b in accuracy.budgets),
        "none raised": "\n".join(f"{b.unraised:.4g}" for b in accuracy.budgets),
        **({"passes": f"{accuracy.passes} over the data"} if accuracy.passes else {}),
    }


def accuracy_facts(plan: Plan) -> dict[str, Any]:
    """`accuracy`, if a plan keeps what was measured."""
    from burnish.calibration import accuracy_of

    measured = accuracy_of(plan)
    return {} if measured is None else {"accuracy": measured}


def draw(accuracy: Accuracy, path: Path, title: str) -> None:
    """Write the curve: an SVG picture, or a page if the name ends in .html."""
    from burnish.calibration import draw_curve
    from burnish.calibration.gate.draw_curve import as_page
    from burnish.plan import write_atomically

    picture = draw_curve(accuracy, title)
    is_page = path.suffix.lower() in (".html", ".htm")
    write_atomically(path, [(as_page(picture, title) if is_page else picture).encode()])


def _numbers(found: tuple[float, ...] | None, count: int) -> list[str]:
    return [""] * count if found is None else [f"{value:.4g}" for value in found]
