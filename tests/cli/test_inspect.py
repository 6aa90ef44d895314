"""`burnish inspect`: what is in a plan, a graph, a machine."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import onnx.parser
import pytest

from tests.cli.conftest import Command


def test_a_plan_is_described_without_loading_code(
    command: Command, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burnish.devices.cpu.elf.load_object", None)
    done = command("inspect", "plan", plan, "--launches", "--blobs", "--check")
    assert done.code == 0, done.err
    for text in ("x f32[n,4]", "y f32[n,3]", "n: 1 .. 2 .. 8", "Contraction", "relu", "graph", "signed by"):
        assert text in done.out
    assert "every byte" in done.err


def test_a_plan_as_json(command: Command, plan: Path) -> None:
    found = json.loads(command("inspect", "plan", plan, "--json").out)
    assert found["size_bytes"] == plan.stat().st_size
    assert {blob["name"] for blob in found["blobs"]} >= {"graph"}
    assert found["launches"][0]["tactic"]


def test_check_finds_a_flipped_byte(command: Command, plan: Path, tmp_path: Path) -> None:
    data = bytearray(plan.read_bytes())
    data[-1] ^= 1
    (tmp_path / "bad.plan").write_bytes(data)
    done = command("inspect", "plan", tmp_path / "bad.plan", "--check")
    assert (done.code, "E412" in done.err) == (2, True)


def test_an_unsigned_plan_is_not_trusted(command: Command, plan: Path) -> None:
    assert "E413" in command("inspect", "plan", plan, "--trusted-key", "00" * 32).err


def test_a_graph_is_counted_before_and_after_and_saved_as_onnx(command: Command, model: Path, tmp_path: Path) -> None:
    done = command("inspect", "graph", model, "-o", tmp_path / "after.onnx", "--json")
    counts = json.loads(done.out)
    assert counts["before"] == {"MatMul": 1, "Add": 1, "Relu": 1}
    assert sum(counts["after"].values()) == len(onnx.load(str(tmp_path / "after.onnx")).graph.node)


def test_a_plans_own_graph_is_shown_and_saved(command: Command, plan: Path, tmp_path: Path) -> None:
    done = command("inspect", "graph", plan, "-o", tmp_path / "stored.onnx")
    assert done.code == 0, done.err
    assert onnx.load(str(tmp_path / "stored.onnx")).graph.name == "small"


def test_why_prints_what_rules_said(command: Command, model: Path, plan: Path) -> None:
    everything = command("inspect", "graph", model, "--why", "*", "*")
    assert everything.code == 0 and "RemoveNoOp at 'sum': " in everything.out
    assert "E619" in command("inspect", "graph", plan, "--why", "*", "*").err


def test_why_says_that_a_rule_declined_applied_or_was_not_tried(command: Command, model: Path) -> None:
    graph = onnx.load(str(model))
    graph.graph.node.insert(0, onnx.helper.make_node("Identity", ["x"], ["same"], "same"))
    graph.graph.node[1].input[0] = "same"
    onnx.save(graph, str(model.with_name("same.onnx")))
    why = ("inspect", "graph", model.with_name("same.onnx"), "--why")
    assert command(*why, "RemoveNoOp", "same").out == "RemoveNoOp at 'same': it applied\n"
    assert command(*why, "FuseBias", "same").out == "FuseBias was not tried at 'same': it looks at Add nodes only\n"
    assert command(*why, "*", "same").out == "RemoveNoOp at 'same': it applied\n"
    assert command(*why, "FuseBias", "sum").out.startswith("FuseBias at 'sum': ")


def test_a_rule_that_rewrites_several_nodes_says_at_each_that_it_applied(command: Command, tmp_path: Path) -> None:
    text = """<ir_version: 10, opset_import: ["" : 21]> m (float[2,4] x) => (float[2,4] y)
    { s = Sigmoid (x)  y = Mul (x, s) }"""
    graph = onnx.parser.parse_model(text)
    graph.graph.node[0].name, graph.graph.node[1].name = "gate", "product"
    onnx.save(graph, str(tmp_path / "m.onnx"))
    done = command("inspect", "graph", tmp_path / "m.onnx", "--why", "FuseSilu", "gate")
    assert done.out == "FuseSilu at 'gate': it applied, together with 'product'\n"


@pytest.mark.parametrize(
    ("rule", "node", "words"),
    [
        ("FuseBais", "sum", ("there is no rule 'FuseBais'", "did you mean 'FuseBias'?")),
        ("fuse_gates", "sum", ("there is no rule 'fuse_gates'", "its rules are FuseGelu, ")),
        ("merge_equal", "sum", ("there is no rule 'merge_equal'", "a pass without rules")),
        ("FuseBias", "smu", ("no node 'smu'", "did you mean 'sum'?")),
        ("*", "nothing-like-it", ("no node 'nothing-like-it'",)),
    ],
)
def test_why_refuses_rules_and_nodes_that_do_not_exist(
    command: Command, model: Path, rule: str, node: str, words: tuple[str, ...]
) -> None:
    done = command("inspect", "graph", model, "--why", rule, node)
    assert (done.code, done.out) == (2, "")
    assert "E623" in done.err and all(text in done.err for text in words)


def test_a_file_alone_is_shown_as_what_it_is(command: Command, plan: Path, model: Path, tmp_path: Path) -> None:
    renamed = tmp_path / "plan.onnx"
    renamed.write_bytes(plan.read_bytes())
    for path in (plan, renamed):
        assert command("inspect", path).out.startswith("plan ")
    assert json.loads(command("inspect", "--json", model).out)["before"] == {"MatMul": 1, "Add": 1, "Relu": 1}
    assert "E401" in command("inspect", tmp_path / "none.plan").err
    assert "E104" in command("inspect", tmp_path / "none.onnx").err


def test_what_the_options_of_a_tactic_mean_is_explained(command: Command, plan: Path) -> None:
    done = command("inspect", "tactics", plan, "--explain")
    assert "contraction on cpu:x86-64-v" in done.out
    assert "registers of a tile across its columns" in done.out
    found = json.loads(command("inspect", "tactics", plan, "--explain", "--json").out)
    (options,) = found["options"].values()
    stated = {text.partition("=")[0] for row in found["launches"] for text in row["tactic"].split()[1:]}
    assert stated <= set().union(*options.values())


def test_the_machine_is_described(command: Command) -> None:
    found = json.loads(command("inspect", "env", "--json").out)
    assert found["cores"] >= 1
    assert found["target"].startswith("cpu:x86-64-v")
    assert found["packages"]["numpy"] != "-"
    assert "cores" in command("inspect", "env").out


def test_why_speaks_of_the_passes_of_a_build_for_the_cpu(command: Command, tmp_path: Path) -> None:
    """Integer products are its ability."""
    text = """<ir_version: 10, opset_import: ["" : 21]> m (uint8[2,4] x, int16[4,3] w) => (float[2,3] y)
    <float s = {0.5}> { a = DequantizeLinear (x, s)  b = DequantizeLinear (w, s)  y = MatMul (a, b) }"""
    graph = onnx.parser.parse_model(text)
    graph.graph.node[2].name = "product"
    onnx.save(graph, str(tmp_path / "m.onnx"))
    done = command("inspect", "graph", tmp_path / "m.onnx", "--why", "ProductToIntegers", "product")
    assert done.out == "ProductToIntegers at 'product': w has codes of type int16, not 8 bits\n"
