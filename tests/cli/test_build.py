"""`burnish build`: options reach the build, the summary is right, what is not there yet is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.parser
import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from burnish.plan import open_plan, read
from tests.cli.conftest import Command
from tests.small_model import small_model


def test_a_plan_lies_beside_the_model_by_default(command: Command, model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(model.read_bytes())
    done = command("build", copy)
    assert done.code == 0, done.err
    assert "copy.plan" in done.out
    assert read(tmp_path / "copy.plan").manifest.inputs[0].shape == (1, 4)


def test_fixed_shapes_and_json(command: Command, model: Path, tmp_path: Path) -> None:
    done = command("build", model, "-o", tmp_path / "a.plan", "--shapes", "x:5x4", "--json", "--workspace", "1MiB")
    report = json.loads(done.out)
    assert report["inputs"] == ["x f32[5,4]"]
    assert report["size_bytes"] == (tmp_path / "a.plan").stat().st_size
    assert done.err == "tactics by cost model; --opt-level 3 measures\n"


@pytest.mark.parametrize("ending", ["", "Shapes"])
def test_a_range(command: Command, model: Path, tmp_path: Path, ending: str) -> None:
    shapes = (f"--min{ending}", "x:1x4", f"--opt{ending}", "x:2x4", f"--max{ending}", "x:9x4")
    done = command("build", model, "-o", tmp_path / "a.plan", *shapes)
    assert done.code == 0, done.err
    (symbol,) = read(tmp_path / "a.plan").manifest.symbols
    assert (symbol.min, symbol.opt, symbol.max) == (1, 2, 9)


def test_several_targets_make_one_plan(command: Command, model: Path, tmp_path: Path) -> None:
    levels = ["cpu:x86-64-v2", "cpu:x86-64-v3"]
    for option in (("--target", levels[0], "--target", levels[1]), ("--target", ",".join(levels))):
        done = command("build", model, "-o", tmp_path / "a.plan", *option)
        assert done.code == 0, done.err
        assert [v.target for v in read(tmp_path / "a.plan").manifest.variants] == levels


def test_what_has_no_kernel_for_a_gpu_runs_on_the_host_only_if_that_is_allowed(
    command: Command, tmp_path: Path
) -> None:
    nodes = [onnx.helper.make_node("NonZero", ["x"], ["places"], name="find")]
    inputs = [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [4])]
    outputs = [onnx.helper.make_tensor_value_info("places", onnx.TensorProto.INT64, [1, "n"])]
    graph = onnx.helper.make_graph(nodes, "g", inputs, outputs)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 21)]), tmp_path / "m.onnx")
    refused = command("build", tmp_path / "m.onnx", "--target", "cuda:sm_90a")
    assert (refused.code, "E213" in refused.err, "NonZero 'find': NonZero has no" in refused.err) == (2, True, True)
    done = command("build", tmp_path / "m.onnx", "--target", "cuda:sm_90a", "--allow-fallback")
    assert done.code == 0 and "NonZero 'find' runs on the reference kernel" in done.out
    assert "copies 16 bytes to the host and 8 back, about 20 us" in done.out
    listed = json.loads(command("inspect", "plan", tmp_path / "m.plan", "--json").out)["fallbacks"]
    assert [(row["node"], row["op_type"], row["copies"], row["crossing_us"]) for row in listed] == [
        ("find", "NonZero", 2, 20.0)
    ]
    assert "copies there and back: about 20 us a run" in command("inspect", "plan", tmp_path / "m.plan").out


def test_explain_prints_the_passes_to_stderr(command: Command, model: Path, tmp_path: Path) -> None:
    done = command("build", model, "-o", tmp_path / "a.plan", "--explain")
    assert "nodes" in done.err
    assert "nodes" not in done.out


def test_a_plan_is_signed_on_request(command: Command, model: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = tmp_path / "key.pem"
    pem.write_bytes(key.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.NoEncryption()))
    assert command("build", model, "-o", tmp_path / "a.plan", "--sign", pem).code == 0
    assert open_plan(tmp_path / "a.plan").public_key == key.public_key().public_bytes_raw()
    assert command("inspect", "plan", tmp_path / "a.plan", "--trusted-key", pem).code == 0


@pytest.mark.parametrize("flag", ["--fp16", "--bf16"])
def test_a_precision_is_recorded_and_explained(command: Command, model: Path, tmp_path: Path, flag: str) -> None:
    done = command("build", model, "-o", tmp_path / "a.plan", flag, "--explain-precision", "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)["precision"]
    assert {r["op_type"] for r in rows} and all(r["why"] for r in rows)
    options = read(tmp_path / "a.plan").manifest.options
    assert options["precision"] == flag[2:] and options["output_precision"] == "fp32"


@pytest.mark.parametrize("given", [["--precision", "fp16"], ["--fp16"], ["--fp16", "--precision", "fp16"]])
def test_a_precision_is_named_as_in_python_or_by_its_flag(
    command: Command, model: Path, tmp_path: Path, given: list[str]
) -> None:
    assert command("build", model, "-o", tmp_path / "a.plan", *given).code == 0
    assert read(tmp_path / "a.plan").manifest.options["precision"] == "fp16"


def test_an_output_takes_the_precision_that_is_asked_for(command: Command, model: Path, tmp_path: Path) -> None:
    done = command("build", model, "-o", tmp_path / "a.plan", "--fp16", "--output-precision", "fp16")
    assert done.code == 0, done.err
    assert read(tmp_path / "a.plan").manifest.outputs[0].dtype.value == "f16"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--fp16", "--bf16"], "E610"),
        (["--fp16", "--precision", "bf16"], "E610"),
        (["--precision", "int8"], "E720"),
        (["--fp16", "--output-precision", "fp12"], "E610"),
        (["--int8"], "E720"),
        (["--fp8"], "E720"),
        (["--precision", "fp4"], "E610"),
        (["--workspace", "lots"], "E614"),
        (["--min", "x:5x4", "--max", "x:4x4"], "E613"),
        (["--batch", "4:2:8"], "E613"),
        (["--batch", "4"], "E613"),
        (["--opt", "x:5x4", "--max", "x:4"], "E613"),
        (["--shapes", "q:1x4"], "E601"),
        (["--target", "tpu"], "E301"),
        (["-o", "/nowhere/at/all.plan"], "E403"),
        (["--opt-level", "1", "--timing-cache", "/nowhere/at/all.cache"], "E403"),
        (["--locked"], "E622"),
        (["--tuned-for", "H100"], "E622"),
        (["--tune-budget", "10"], "E622"),
    ],
)
def test_what_cannot_be_is_refused_with_a_code(command: Command, model: Path, arguments: list[str], code: str) -> None:
    done = command("build", model, *arguments)
    assert done.code in (2, 3)
    assert f"error {code}:" in done.err


def test_tactics_are_measured_kept_and_replayed(command: Command, model: Path, tmp_path: Path) -> None:
    cache, plans = tmp_path / "x.cache", [tmp_path / f"{n}.plan" for n in range(3)]
    tuning = ("--timing-cache", cache, "--opt-level", "1", "--tune-budget", "60")
    assert command("build", model, "-o", plans[0], *tuning).code == 0
    content = cache.read_bytes()
    assert b"contraction" in content
    assert command("build", model, "-o", plans[1], *tuning).code == 0
    assert command("build", model, "-o", plans[2], "--timing-cache", cache, "--locked").code == 0
    assert len({p.read_bytes() for p in plans}) == 1
    assert cache.read_bytes() == content
    done = command("build", model, "--shapes", "x:7x4", "-o", plans[0], "--timing-cache", cache, "--locked")
    assert (done.code, "E330" in done.err) == (2, True)
    done = command("build", model, "--shapes", "x:7x4", "-o", plans[0], "--timing-cache", cache)
    assert (done.code, "not in the timing cache" in done.err) == (0, True)


def test_a_note_that_is_not_true_of_all_targets_names_those_of_which_it_is(
    command: Command, model: Path, tmp_path: Path
) -> None:
    levels = "cpu:x86-64-v2,cpu:x86-64-v4+bf16"
    done = command(
        "build", model, "-o", tmp_path / "a.plan", "--bf16", "--target", levels, "--shapes", "x:1x4", "--json"
    )
    found = json.loads(done.out)["notes"]
    assert {note.partition(": ")[0] for note in found} == set(levels.split(",")), found


@pytest.mark.parametrize("arguments", [["-o", "/nowhere/at/all.plan"], ["-o", "."], ["--sign", "none.pem"]])
def test_what_would_fail_at_the_end_fails_before_the_work(
    command: Command, model: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burnish.building.build_plan.analyze", lambda *_, **__: pytest.fail("the model was read"))
    done = command("build", model, *arguments)
    assert done.code in (2, 3) and ("E403" in done.err or "E414" in done.err)


def test_decisions_on_precision_name_their_target_where_targets_differ(
    command: Command, model: Path, tmp_path: Path
) -> None:
    levels = "cpu:x86-64-v3,cpu:x86-64-v4,cpu:x86-64-v4+bf16"
    arguments = ("build", model, "-o", tmp_path / "a.plan", "--bf16", "--shapes", "x:1x4", "--explain-precision")
    done = command(*arguments, "--target", levels, "--json")
    targets = {(d["now"], d["target"]) for d in json.loads(done.out)["precision"] if d["op_type"] == "Gemm"}
    assert targets == {("bf16 weights", "cpu:x86-64-v3, cpu:x86-64-v4"), ("bf16", "cpu:x86-64-v4+bf16")}
    assert "cpu:x86-64-v3, cpu:x86-64-v4" in command(*arguments, "--target", levels).out
    alone = command(*arguments, "--target", "cpu:x86-64-v2")
    assert "bf16 weights" in alone.out and "cpu:x86-64-v2" not in alone.out.partition("why")[2]


def test_a_maximum_alone_fixes_the_input_and_a_note_says_so(command: Command, tmp_path: Path) -> None:
    onnx.save(small_model(), tmp_path / "m.onnx")
    done = command("build", tmp_path / "m.onnx", "--max", "x:8x4", "--json")
    assert done.code == 0
    (note,) = json.loads(done.out)["notes"]
    assert note == "input 'x' is fixed at 8x4: --max is given without --min"
    done = command("build", tmp_path / "m.onnx", "--min", "x:2x4", "--max", "x:8x4", "--json")
    assert json.loads(done.out)["notes"] == []


def test_who_takes_the_workspace_for_a_limit_of_all_memory_is_told(command: Command, tmp_path: Path) -> None:
    model = tmp_path / "products.onnx"
    text = "m (float[n,4] x) => (float[n,4] y) { a = MatMul(x, w) b = Softmax(a) y = MatMul(b, w) }"
    header = '<ir_version: 10, opset_import: ["" : 21]> '
    proto = onnx.parser.parse_model(header + text)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.eye(4, dtype=np.float32), "w"))
    onnx.save(proto, model)
    told = command("build", model, "-o", tmp_path / "a.plan", "--shapes", "x:5x4", "--workspace", "1B")
    assert told.code == 0 and "--max-memory bounds all memory" in told.err
    enough = command("build", model, "-o", tmp_path / "a.plan", "--shapes", "x:5x4", "--workspace", "1MiB")
    assert enough.code == 0 and "--max-memory" not in enough.err
    limited = command("build", model, "-o", tmp_path / "b.plan", "--shapes", "x:5x4", "--max-memory", "1B")
    assert limited.code == 2 and "E320" in limited.err


def test_what_a_build_makes_is_dumped_edited_and_read_back(command: Command, model: Path, tmp_path: Path) -> None:
    build = ("build", model, "-o", tmp_path / "a.plan", "--shapes", "x:5x4")
    assert command(*build, "--dump", tmp_path / "made").code == 0
    plan = json.loads((tmp_path / "made" / "plan.json").read_text())
    assert plan["launches"][0]["tactic"].startswith("contraction ")
    assert {node.op_type for node in onnx.load(tmp_path / "made" / "graph.onnx").graph.node} == {"Gemm", "Relu"}
    (source,) = (tmp_path / "made").glob("*.ll")
    source.write_text(source.read_text().replace("= fadd", "= fsub"))
    done = command(*build, "--override", tmp_path / "made")
    assert done.code == 0 and f"built from edited sources: {source.name}" in done.out
