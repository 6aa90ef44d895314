"""What people see of a measured accuracy."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.cli.calibration.show_accuracy import draw, show_accuracy
from burnish.precision.accuracy import Accuracy, CurvePoint, Judged, LayerAccuracy

MEASURED = Accuracy(
    (Judged("cos=0.001", 1e-4, 0.02), Judged("top1=1%", 0.0, 5.0)),
    7,
    (LayerAccuracy("a", (1e-3, 2.5), 0.25, "f32"), LayerAccuracy("b", None, 0.5, "int8")),
    (CurvePoint(0, 1.5, (0.02, 5.0)), CurvePoint(1, 1.75, (1e-4, 0.0))),
    41,
    ("one sample holds NaN",),
)


def test_budgets_layers_and_curve_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    show_accuracy(MEASURED, {"ranges": "r.json"})
    out, told = capsys.readouterr()
    assert "one sample holds NaN" in told
    rows = [" ".join(line.split()) for line in out.splitlines()]
    assert "budget cos=0.001" in rows and "measured 0.0001 on 7 samples" in rows and "raised a" in rows
    assert "a f32 0.001 2.5 0.2500" in rows and "b int8 0.5000" in rows
    assert "0 1.5000 0.02 5" in rows and "1 1.7500 0.0001 0" in rows and "ranges r.json" in rows
    assert "passes 41 over the data" in rows


def test_the_curve_is_a_picture_or_a_page_by_the_file_s_name(tmp_path: Path) -> None:
    draw(MEASURED, tmp_path / "a.svg", "a")
    draw(MEASURED, tmp_path / "a.HTML", "a")
    assert (tmp_path / "a.svg").read_text().startswith("<svg")
    assert (tmp_path / "a.HTML").read_text().startswith("<!DOCTYPE html>")
