"""`burnish calib report` and `burnish calib compare`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import Command

EXAMPLES = Path(__file__).parents[3] / "examples"
MODEL, SAMPLES = EXAMPLES / "digits.onnx", EXAMPLES / "digits_samples.npz"


@pytest.fixture(scope="module")
def brighter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "brighter.npz"
    np.savez(path, images=np.load(SAMPLES)["images"] * np.float32(1.5))
    return path


def test_a_report_is_printed_and_a_page_written(command: Command, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = command("calib", "report", MODEL, "--calib", SAMPLES, "--out", page)
    assert done.code == 0 and "not settled" in done.out and "/Flatten_output_0" in done.out, done.err
    assert page.read_text().startswith("<!doctype html>")
    done = command("calib", "report", MODEL, "--calib", SAMPLES, "--json", "--calib-method", "minmax")
    found = json.loads(done.out)
    assert done.code == 0 and found["samples"] == 40 and len(found["tensors"]) == 6
    assert all(tensor["clipped"] == 0 for tensor in found["tensors"])


def test_a_comparison_fails_where_more_is_clipped_than_is_allowed(command: Command, brighter: Path) -> None:
    done = command("calib", "compare", MODEL, SAMPLES, brighter, "--max-clipped", "0.1%")
    assert done.code == 2 and "error E750" in done.err and "24.9 %" in done.out
    done = command("calib", "compare", MODEL, SAMPLES, brighter, "--max-clipped", "0.1%", "--json")
    found = json.loads(done.out)  # one document
    assert done.code == 2 and found["error"]["code"] == "E750" and not found["is_accepted"]
    assert "image" in found["refused"] and "E750" in done.err
    assert command("calib", "compare", MODEL, SAMPLES, SAMPLES, "--max-clipped", "0").code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["report", MODEL, "--calib", "none.npz"], "E721"),
        (["report", MODEL, "--calib", SAMPLES, "--out", "none/page.html"], "E403"),
        (["compare", MODEL, SAMPLES, SAMPLES, "--max-clipped", "much"], "E751"),
        (["report", MODEL], "E624"),
    ],
)
def test_what_cannot_be_done_is_refused(command: Command, arguments: list[object], code: str) -> None:
    done = command("calib", *arguments)
    assert done.code in (2, 3) and code in done.err
