"""`burnish calibrate`, and `burnish build --int8`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from burnish.calibration import load_ranges
from burnish.plan import read
from burnish.precision.range_text import range_bytes
from burnish.precision.ranges import Range
from tests.cli.conftest import Command

EXAMPLES = Path(__file__).parents[3] / "examples"
MODEL, SAMPLES = EXAMPLES / "digits.onnx", EXAMPLES / "digits_samples.npz"


def test_ranges_are_found_once_and_used_again(command: Command, tmp_path: Path) -> None:
    done = command("calibrate", MODEL, "--data", SAMPLES, "-o", tmp_path / "r.json", "--json")
    assert done.code == 0 and json.loads(done.out)["samples"] == 40, done.err
    for name, data in (("a", SAMPLES), ("b", tmp_path / "r.json")):
        saved = ("--save-quantised", tmp_path / f"{name}.onnx")
        done = command("build", MODEL, "-o", tmp_path / f"{name}.plan", "--int8", "--calib", data, *saved)
        assert done.code == 0, done.err
    assert (tmp_path / "a.plan").read_bytes() == (tmp_path / "b.plan").read_bytes()
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    assert "QuantizeLinear" in {n.op_type for n in onnx.load(tmp_path / "a.onnx").graph.node}
    assert read(tmp_path / "a.plan").manifest.options["precision"] == "int8"


def test_a_tensorrt_cache_is_written_and_builds_and_each_product_has_one_row(command: Command, tmp_path: Path) -> None:
    cache, plan = tmp_path / "m.cache", tmp_path / "m.plan"
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", cache).code == 0
    assert cache.read_text().startswith("TRT-")
    done = command("build", MODEL, "-o", plan, "--int8", "--calib", cache, "--explain-precision", "--json")
    rows = json.loads(done.out)["precision"]
    assert len({row["node"] for row in rows}) == len(rows) == 7, done.err
    assert all(row["now"] == "int8" and "int8 of scale" in row["why"] for row in rows)
    cache.write_text(cache.read_text().replace("/", "of another model/"))
    done = command("build", MODEL, "-o", plan, "--int8", "--calib", cache)
    assert done.code == 2 and "E731" in done.err


def test_a_preprocessing_beside_a_file_of_ranges_is_refused(command: Command, tmp_path: Path) -> None:
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", tmp_path / "r.json").code == 0
    given = ("--int8", "--calib", tmp_path / "r.json", "--calib-preprocess", tmp_path / "p.toml")
    done = command("build", MODEL, "-o", tmp_path / "a.plan", *given)
    assert done.code == 2 and "E622" in done.err and "no samples are read" in done.err
    assert not (tmp_path / "a.plan").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--calib", "none.npz"], "E721"),
        (["--int8", "--calib", "none.json"], "E725"),
        (["--int8", "--calib", "none.cache"], "E725"),
        (["--int8", "--calib", "none.npz"], "E721"),
        (["--calib", str(SAMPLES)], "E720"),
        (["--save-quantised", "q.onnx"], "E622"),
        (["--calib-preprocess", "p.toml"], "E622"),
        (["--int8", "--calib", str(SAMPLES), "--calib-preprocess", "p.toml"], "E745"),
    ],
)
def test_what_does_not_go_together_is_refused(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command("build", MODEL, "-o", tmp_path / "a.plan", *arguments)
    assert done.code == 2 and code in done.err
    assert not (tmp_path / "a.plan").exists()


def test_a_precision_config_keeps_nodes_wide_and_best_takes_what_calibration_gives(
    command: Command, tmp_path: Path
) -> None:
    config, plan = tmp_path / "p.toml", tmp_path / "m.plan"
    config.write_text('[[layers]]\nnodes = ["/block1/*"]\nprecision = "fp32"\n')
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", tmp_path / "m.cache").code == 0
    saved = ("--save-quantised", tmp_path / "q.onnx")
    options = ("--best", "--calib", tmp_path / "m.cache", "--precision-config", config, "--explain-precision", *saved)
    done = command("build", MODEL, "-o", plan, *options, "--json")
    assert done.code == 0, done.err
    kept = {r["node"] for r in json.loads(done.out)["precision"] if r["why"] == "it was asked to stay"}
    assert {"/block1/norm1/BatchNormalization", "/block1/norm2/BatchNormalization"} <= kept
    assert read(plan).manifest.options["precision"] == "int8+fp16"
    assert sum(n.op_type == "QuantizeLinear" for n in onnx.load(tmp_path / "q.onnx").graph.node) == 4
    assert command("build", MODEL, "-o", plan, "--precision-config", tmp_path / "none.toml").code == 2


def test_a_file_that_nobody_named_is_replaced_with_a_note_or_not_at_all(command: Command, tmp_path: Path) -> None:
    model, ranges = tmp_path / "m.onnx", tmp_path / "m.ranges.json"
    model.write_bytes(MODEL.read_bytes())
    calibrate = ("calibrate", model, "--data", SAMPLES, "--calib-method", "minmax")
    assert "replaced" not in command(*calibrate).err
    assert "is replaced; it held the ranges of 6 tensors from 40 samples (minmax)" in command(*calibrate).err
    for content in (range_bytes(load_ranges(ranges).keep("conv")), b"my notes"):
        ranges.write_bytes(content)
        done = command(*calibrate)
        assert done.code == 2 and "E752" in done.err and ranges.read_bytes() == content
        assert command(*calibrate, "-o", tmp_path / "other.json").code == 0
    assert command(*calibrate, "-o", ranges).code == 0 and not load_ranges(ranges).kept


def test_a_build_tells_names_that_change_nothing_and_ranges_of_other_weights(command: Command, tmp_path: Path) -> None:
    assert command("calibrate", MODEL, "--data", SAMPLES, "-o", tmp_path / "r.json").code == 0
    ranges = load_ranges(tmp_path / "r.json")
    strange = replace(ranges.keep("nosuch"), graph="0" * 64, tensors={**ranges.tensors, "stray": Range(0, 1)})
    (tmp_path / "s.json").write_bytes(range_bytes(strange))
    for name, count in (("r.json", 0), ("s.json", 3)):
        done = command("build", MODEL, "-o", tmp_path / "m.plan", "--int8", "--calib", tmp_path / name, "--json")
        words = ("other weights", "'stray'", "'nosuch'")
        assert sum(any(word in note for word in words) for note in json.loads(done.out)["notes"]) == count


def test_a_cache_for_zero_points_is_refused_before_the_samples_run(command: Command, tmp_path: Path) -> None:
    data = tmp_path / "none"  # which does not exist, and is not asked for
    done = command("calibrate", MODEL, "--data", data, "-o", tmp_path / "m.cache", "--calib-method", "mse+asymmetric")
    assert done.code == 2 and "E753" in done.err


def test_ranges_for_float8_build_it_and_so_do_those_of_a_cache(command: Command, tmp_path: Path) -> None:
    ranges, saved = tmp_path / "m.json", tmp_path / "q.onnx"
    found = json.loads(command("calibrate", MODEL, "--data", SAMPLES, "-o", ranges, "--fp8", "--json").out)
    assert found["method"] == "minmax"
    done = command(
        "build", MODEL, "-o", tmp_path / "m.plan", "--fp8", "--calib", ranges, "--save-quantised", saved, "--json"
    )
    assert done.code == 0, done.err
    assert any("7 products read float8: this target multiplies" in note for note in json.loads(done.out)["notes"])
    kinds = {tensor.data_type for tensor in onnx.load(saved).graph.initializer}
    assert onnx.TensorProto.FLOAT8E4M3FN in kinds and onnx.TensorProto.INT8 not in kinds
    assert command("verify", MODEL, tmp_path / "m.plan").code == 0


@pytest.mark.parametrize(("flags", "code"), [(["--calib-method", "entropy+asymmetric"], "E723"), ([], "E721")])
def test_float8_without_samples_or_with_a_zero_point_is_refused(
    command: Command, tmp_path: Path, flags: list[str], code: str
) -> None:
    (tmp_path / "empty").mkdir()
    done = command("build", MODEL, "-o", tmp_path / "m.plan", "--fp8", "--calib", tmp_path / "empty", *flags)
    assert done.code == 2 and code in done.err and not (tmp_path / "m.plan").exists()
