"""`burnish run`: files in, files out, no compiler."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

from burnish.settings import settings
from tests.cli.conftest import Command

ROOT = Path(__file__).parents[2]
X = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)


@pytest.fixture
def expected(model: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": X})[0]


@pytest.mark.parametrize("kind", ["npy", "npz", "pb", "bin", "unnamed"])
def test_inputs_come_from_every_kind_of_file(
    command: Command, plan: Path, tmp_path: Path, expected: np.ndarray, kind: str
) -> None:
    file = tmp_path / f"in.{'npy' if kind == 'unnamed' else kind}"
    if kind == "npz":
        np.savez(file, x=X)
    elif kind == "pb":
        onnx.save_tensor(numpy_helper.from_array(X, "x"), str(file))
    elif kind == "bin":
        X.tofile(file)
    else:
        np.save(file, X)
    given = file if kind in ("npz", "unnamed") else f"x={file}"
    done = command("run", plan, "--input", given, "-o", tmp_path / "out.npz")
    assert (done.code, done.err.count("random")) == (0, 0)
    np.testing.assert_allclose(np.load(tmp_path / "out.npz")["y"], expected, rtol=1e-5)


def test_outputs_go_into_a_folder_as_npy(command: Command, plan: Path, tmp_path: Path) -> None:
    assert command("run", plan, "-o", tmp_path / "out").code == 0
    assert np.load(tmp_path / "out" / "y.npy").shape == (2, 3)


def test_inputs_without_a_file_are_seeded_and_said_so(command: Command, plan: Path) -> None:
    first, again = command("run", plan, "--json"), command("run", plan, "--json")
    other = command("run", plan, "--json", "--seed", "1")
    assert "random values (seed 0) for: x" in first.err
    results = [json.loads(d.out)["outputs"][0] for d in (first, again, other)]
    assert results[0] == results[1] != results[2]
    assert results[0]["shape"] == "2x3"


def test_shapes_apply_to_inputs_without_a_file(command: Command, plan: Path) -> None:
    assert json.loads(command("run", plan, "--json", "--shapes", "x:7x4").out)["outputs"][0]["shape"] == "7x3"


def test_a_table_is_printed_for_people(command: Command, plan: Path) -> None:
    done = command("run", plan)
    assert done.out.split()[:3] == ["output", "type", "shape"]
    assert "y" in done.out and "2x3" in done.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--input", "q={file}"], "E617"),
        (["--input", "x=nothing.npy"], "E616"),
        (["--input", "x={file}", "--input", "x={file}"], "E615"),
        (["--input", "x={short}"], "E616"),
        (["--shapes", "x:9x9x9"], "E611"),
        (["--shapes", "q:1"], "E611"),
        (["--shapes", "nonsense"], "E612"),
        (["--shapes", "x:99x4"], "E505"),
        (["-o", "{file}/in/a/file"], "E618"),
        (["--trusted-key", "none.pem"], "E414"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_code(
    command: Command, plan: Path, tmp_path: Path, arguments: list[str], code: str
) -> None:
    np.save(tmp_path / "x.npy", X)
    (tmp_path / "short.bin").write_bytes(b"123")
    texts = [a.format(file=tmp_path / "x.npy", short=tmp_path / "short.bin") for a in arguments]
    done = command("run", plan, *texts)
    assert done.code in (2, 3)
    assert f"error {code}:" in done.err


def test_an_archive_under_a_name_is_refused_with_what_to_write(command: Command, plan: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", x=X)
    done = command("run", plan, "--input", f"x={tmp_path / 'in.npz'}")
    assert done.code == 2
    assert "E616" in done.err and "names of its own" in done.err and "leave x= out" in done.err


def test_each_launchs_time_and_rate_are_said_from_debug_level_2_on(
    command: Command, plan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for level in ("1", "2"):
        monkeypatch.setenv("BURNISH_DEBUG", level)
        settings.cache_clear()
        try:
            said.append(command("run", plan).err)
        finally:
            settings.cache_clear()
    line = r"(?m)^\d+\.\d{4} ms  (\d+\.\d GB/s  )?Contraction relu \[contraction "
    assert [bool(re.search(line, text)) for text in said] == [False, True]


def test_an_error_is_json_where_json_was_asked_for(command: Command, tmp_path: Path) -> None:
    done = command("run", tmp_path / "none.plan", "--json")
    assert json.loads(done.out)["error"]["code"] == "E401"
    assert done.code == 2


def test_run_imports_no_compiler(plan: Path) -> None:
    program = f"""
import sys
from burnish.cli import main
assert main(["run", {str(plan)!r}]) == 0
compilers = ("onnx", "onnx_ir", "onnxscript", "llvmlite.ir", "burnish.ops", "burnish.passes", "burnish.lower",
             "burnish.targets", "burnish.importers", "burnish.building")
print([name for name in compilers if name in sys.modules], file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_a_closed_pipe_is_no_error(plan: Path) -> None:
    command = f"{sys.executable} -m burnish inspect plan {plan} --json | head -c 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], cwd=ROOT, capture_output=True, text=True, env={**os.environ}
    )
    assert (done.stdout, done.stderr) == ("{", "")
