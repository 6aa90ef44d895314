"""`burnish accuracy`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from tests.cli.conftest import Command

EXAMPLES = Path(__file__).parents[3] / "examples"
MODEL, SAMPLES = EXAMPLES / "digits.onnx", EXAMPLES / "digits_samples.npz"


def test_a_budget_is_met_and_the_file_says_how(command: Command, tmp_path: Path) -> None:
    ranges, labels = tmp_path / "r.json", tmp_path / "labels.npy"
    np.save(labels, np.load(SAMPLES)["labels"])
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", ranges).code == 0
    loose = command("accuracy", MODEL, ranges, "--data", SAMPLES, "--max-error", "top1=2%", "--labels", labels)
    assert loose.code == 0 and "no layer" in loose.out and "so none was measured alone" in loose.err, loose.err
    kept = json.loads(ranges.read_text())["accuracy"]
    assert kept["budgets"][0]["budget"] == "top1=2%" and kept["samples"] == 40
    cosine = command("accuracy", MODEL, ranges, "--data", SAMPLES, "--max-error", "cos=1", "--json")
    all_int8 = json.loads(cosine.out)["accuracy"]["budgets"][0]["unraised"]
    tight = ("--max-error", f"cos={all_int8 / 3:.3e}", "-o", tmp_path / "t.json", "--curve", tmp_path / "c.svg")
    done = command("accuracy", MODEL, ranges, "--data", SAMPLES, *tight)
    assert done.code == 0 and "cos alone" in done.out and "layers raised" in done.out, done.err
    assert (tmp_path / "c.svg").read_text().startswith("<svg")
    assert json.loads((tmp_path / "t.json").read_text())["kept"]
    built = command("build", MODEL, "-o", tmp_path / "a.plan", "--int8", "--calib", tmp_path / "t.json")
    assert built.code == 0, built.err
    told = command("verify", MODEL, tmp_path / "a.plan")
    assert told.code == 0 and "on 40 samples" in told.out and "budget" in told.out, told.err


def test_a_budget_that_says_nothing_is_refused(command: Command, tmp_path: Path) -> None:
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", tmp_path / "r.json").code == 0
    for budget in ("good", "cos=-1", "cos=e"):
        done = command("accuracy", MODEL, tmp_path / "r.json", "--data", SAMPLES, "--max-error", budget)
        assert done.code == 2 and "E726" in done.err


def test_a_tensorrt_cache_is_not_overwritten_by_what_it_cannot_hold(command: Command, tmp_path: Path) -> None:
    cache = tmp_path / "a.cache"
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", cache).code == 0
    before = cache.read_bytes()
    for output in ((), ("-o", tmp_path / "new.cache")):
        done = command("accuracy", MODEL, cache, "--data", SAMPLES, "--max-error", "cos=1", *output)
        assert done.code == 2 and "E622" in done.err and "no place for the layers" in done.err
    assert cache.read_bytes() == before and not (tmp_path / "new.cache").exists()


def test_it_measures_with_files_by_the_preprocessing_that_is_stated(command: Command, tmp_path: Path) -> None:
    ranges, folder, rule = tmp_path / "r.json", tmp_path / "samples", tmp_path / "p.py"
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", ranges).code == 0
    folder.mkdir()
    for n, image in enumerate(np.load(SAMPLES)["images"][:3]):
        (folder / f"{n}.raw").write_bytes(image.tobytes())
    shape = np.load(SAMPLES)["images"].shape[1:]
    rule.write_text(
        f"import numpy\ndef preprocess(path):\n    return numpy.fromfile(path, 'f4').reshape(1, *{shape})\n"
    )
    words = ("accuracy", MODEL, ranges, "--data", folder, "--max-error", "cos=1")
    assert "E721" in command(*words).err
    done = command(*words, "--calib-preprocess", rule, "--json")
    assert done.code == 0 and json.loads(done.out)["accuracy"]["samples"] == 3, done.err
