"""trtexec's flags for precision: caches, placeholders as there, precisions of layers and what they may not break."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

from burnish.calibration import load_ranges, quantised_model, ranges_of
from burnish.cli.trtexec.options import parse_options
from burnish.errors import UserError
from burnish.plan import read
from tests.cli.conftest import Command

TEXT = "g (float[2,16] x) => (float[2,8] y) { h = MatMul(x, v)  r = Relu(h)  y = MatMul(r, w) }"
CACHE = "TRT-8602-EntropyCalibration2\nx: 3cc00000\nr: 3e400000\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(5)
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {TEXT}')
    for name, shape in (("v", (16, 32)), ("w", (32, 8))):
        proto.graph.initializer.append(numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name))
    for node, name in zip(proto.graph.node, ("first", "gate", "second")):
        node.name = name
    place = tmp_path_factory.mktemp("trtexec")
    onnx.save(proto, place / "m.onnx")
    (place / "m.cache").write_text(CACHE)
    np.savez(place / "samples.npz", x=rng.standard_normal((6, 16)).astype(np.float32))
    return place


def run(command: Command, folder: Path, *flags: str) -> tuple[int, str, list[str], dict[str, object]]:
    """Its exit code, what it said on stderr, the plan's notes and its options."""
    plan = folder / "m.engine"
    plan.unlink(missing_ok=True)
    model = "m.onnx" if not flags[0].endswith(".onnx") else flags[0]
    done = command("trtexec", f"--onnx={folder / model}", f"--saveEngine={plan}", "--skipInference", *flags)
    manifest = read(plan).manifest if plan.exists() else None
    return done.code, done.err, list(manifest.notes) if manifest else [], manifest.options if manifest else {}


ALL = "2 of 2 quantised products run on integers; --explain-precision says which and why"


def test_a_cache_a_file_of_samples_and_best(command: Command, folder: Path) -> None:
    for flags, word in [
        ((f"--calib={folder / 'm.cache'}", "--int8"), "int8"),
        ((f"--calib={folder / 'samples.npz'}", "--int8"), "int8"),
        ((f"--calib={folder / 'm.cache'}", "--best"), "int8+fp16"),
        ((f"--calib={folder / 'm.cache'}", "--int8", "--fp8"), "int8"),  # a CPU has no products of float8
    ]:
        code, said, notes, options = run(command, folder, *flags)
        assert code == 0 and options["precision"] == word and ALL in notes, said
        assert "placeholder" not in said


def test_float8_takes_a_cache_and_samples(command: Command, folder: Path) -> None:
    for calib, method in (("m.cache", "TensorRT 8602 EntropyCalibration2"), ("samples.npz", "minmax")):
        code, said, notes, options = run(command, folder, f"--calib={folder / calib}", "--fp8", "--fp16")
        assert code == 0 and options["precision"] == "fp8+fp16", said
        assert any(note.startswith("2 products read float8") for note in notes)
        ranges = ranges_of(read(folder / "m.engine"))
        assert ranges.method == method
        assert any("which weighs equal steps" in note for note in notes) == (calib == "m.cache")


def test_one_layer_may_be_float8_beside_int8(command: Command, folder: Path) -> None:
    flags = ("--int8", f"--calib={folder / 'm.cache'}", "--layerPrecisions=second:fp8", "--precisionConstraints=prefer")
    code, said, notes, _ = run(command, folder, *flags)
    assert code == 0 and ALL.replace("2 of 2", "1 of 1") in notes, said
    assert "layer 'second' cannot compute in fp8: it is f32" in said  # a CPU rounds to it


def test_without_a_cache_every_tensor_has_a_placeholder_range_and_that_is_said_aloud(
    command: Command, folder: Path
) -> None:
    code, said, notes, options = run(command, folder, "--int8")
    assert code == 0 and options["precision"] == "int8" and ALL in notes
    assert "ANSWERS ARE NOT" in said and "Users must provide dynamic range for all tensors" in said
    assert any(note.startswith("placeholder ranges") for note in notes)


def test_a_model_with_q_and_dq_needs_no_ranges(command: Command, folder: Path) -> None:
    ranges = load_ranges(folder / "m.cache")
    onnx.save(quantised_model(folder / "m.onnx", ranges), folder / "q.onnx")
    done = command("trtexec", f"--onnx={folder / 'q.onnx'}", "--int8", "--skipInference")
    assert done.code == 0 and "placeholder" not in done.err and "The model has Q and DQ nodes" in done.out


def test_layer_precisions_hold_where_constraints_are_asked_for(command: Command, folder: Path) -> None:
    flags = ("--int8", f"--calib={folder / 'm.cache'}", "--layerPrecisions=fi*:fp32")
    code, said, notes, _ = run(command, folder, *flags)
    assert code == 0 and ALL in notes and "--layerPrecisions changes nothing" in said
    code, said, notes, options = run(command, folder, *flags, "--precisionConstraints=obey")
    assert code == 0 and ALL.replace("2 of 2", "1 of 1") in notes, said
    assert options["precision_layers"][1:] == [{"precision": "fp32", "nodes": ["fi*"]}]


def test_a_layer_that_cannot_obey_fails_or_is_named(command: Command, folder: Path) -> None:
    (folder / "half.cache").write_text(CACHE.replace("r: ", "other: "))
    flags = ("--int8", f"--calib={folder / 'half.cache'}", "--layerPrecisions=second:int8")
    code, said, _, _ = run(command, folder, *flags, "--precisionConstraints=obey")
    assert code == 2 and "E658" in said
    code, said, _, _ = run(command, folder, *flags, "--precisionConstraints=prefer")
    assert code == 0 and "layer 'second' cannot compute in int8" in said


def test_what_is_no_calibration_is_refused_and_calib_alone_is_told(command: Command, folder: Path) -> None:
    (folder / "bad.cache").write_text("TRT-8602-EntropyCalibration2\nx 3cc00000\n")
    for name, code in [("bad.cache", "E730"), ("none.cache", "E725")]:
        status, said, _, _ = run(command, folder, "--int8", f"--calib={folder / name}")
        assert status == 2 and code in said
    status, said, _, _ = run(command, folder, f"--calib={folder / 'm.cache'}")
    assert status == 0 and "--calib changes nothing" in said


@pytest.mark.parametrize(
    "flag",
    ["--layerPrecisions=a", "--layerPrecisions=a:fp4", "--layerPrecisions=:fp16", "--precisionConstraints=maybe"],
)
def test_a_value_of_another_form_is_refused(flag: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_options(["--onnx=m", flag])
    assert caught.value.code == "E632"


def test_names_may_hold_colons() -> None:
    found = parse_options(["--onnx=m", "--layerPrecisions=a::b:fp16,*:int8", "--precisionConstraints=obey"])
    assert found.layers == (("a::b", "fp16"), ("*", "int8"))
