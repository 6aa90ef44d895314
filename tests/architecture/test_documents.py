"""Links lead somewhere, commands exist, the README's tour runs as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, name_of, tracked_files
from tests.cli.serving import serving

DOCUMENTS = [p for p in tracked_files() if p.suffix == ".md"]


def anchors(path: Path) -> set[str]:
    """The anchors that a Markdown file's headings make."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def blocks(path: Path, language: str) -> list[str]:
    """The fenced blocks of a language ('' for none)."""
    return re.findall(rf"^```{language}\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_links_lead_to_files_and_headings_that_exist(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file) if file else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {(name_of(p), t) for p in DOCUMENTS for t in re.findall(r"\bmake ([a-z]+)\b`?", "\n".join(blocks(p, "")))}
    assert {(p, t) for p, t in named if t not in targets} == set()


def tour(folder: Path) -> Path:
    """A folder in which the README's commands can run: the examples, and nothing else."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


def run(command: list[str], folder: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
    found = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert found.returncode == 0, f"{shlex.join(command)}\n{found.stdout}\n{found.stderr}"
    return found.stdout


def test_the_readmes_python_runs_as_it_stands(tmp_path: Path) -> None:
    (source, *_) = blocks(ROOT / "README.md", "python")
    assert run([sys.executable, "-W", "error", "-c", source], tour(tmp_path)).strip() == "1.0"


def test_the_python_apis_examples_run_one_after_the_other(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes((ROOT / "examples" / "digits.onnx").read_bytes())
    prelude = (
        "import burnish, numpy as np\n"
        "array = image = np.zeros((2, 1, 8, 8), np.float32)\n"
        "buffer = logits = np.empty((2, 10), np.float32)\n"
    )
    source = prelude + "".join(blocks(ROOT / "docs" / "python-api.md", "python")) + "print(report.peers[0].name)"
    assert run([sys.executable, "-W", "error", "-c", source], tmp_path).splitlines()[-1] == "onnxruntime"


def test_the_readmes_burnish_commands_run_as_they_stand(tmp_path: Path) -> None:
    lines = [ln for b in blocks(ROOT / "README.md", "sh") for ln in b.replace("\\\n", " ").splitlines()]
    commands = [shlex.split(ln, comments=True) for ln in lines if ln.startswith("burnish ")]
    assert commands
    folder = tour(tmp_path)
    for command in commands:
        if command[1] != "serve":  # which does not end
            run([sys.executable, "-m", "burnish", *command[1:]], folder)


@pytest.mark.parametrize("document", ["README.md", "docs/serving.md"])
def test_the_two_commands_that_serve_a_model_do(tmp_path: Path, document: str) -> None:
    lines = "".join(blocks(ROOT / document, "sh")).splitlines()
    (serve,) = (shlex.split(line) for line in lines if line.startswith("burnish serve"))
    (curl,) = (shlex.split(line) for line in lines if line.startswith("curl localhost:8000"))
    body = ROOT / curl[curl.index("-d") + 1].removeprefix("@")
    free = ("--http-port", 0, "--grpc-port", 0, "--metrics-port", 0)
    with serving(*serve[1:], *free, environment={"XDG_CACHE_HOME": str(tmp_path)}) as (server, _):
        status, answer = server.post(curl[1].removeprefix("localhost:8000"), body.read_bytes())
    assert (status, answer["outputs"][0]["data"][0].rpartition(":")[2]) == (200, "seven")
