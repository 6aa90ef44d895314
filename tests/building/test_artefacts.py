"""artefacts.py: what a build makes is shown, written and read back; a plan of edited sources says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from onnx import numpy_helper

import burnish
from burnish.building.artefacts import Artefacts
from burnish.errors import EnvironmentProblem, UserError
from burnish.settings import settings
from tests.small_model import small_model

SHAPES = {"x": (2, 4)}


@pytest.fixture
def debug(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Set BURNISH_DEBUG with it; read again at once, and forgotten after the test."""
    yield monkeypatch
    settings.cache_clear()


def at_level(monkeypatch: pytest.MonkeyPatch, level: int) -> list[str]:
    """What a build says at a level."""
    monkeypatch.setenv("BURNISH_DEBUG", str(level))
    settings.cache_clear()
    lines: list[str] = []
    burnish.build(small_model(), shapes=SHAPES, target="cpu:x86-64-v3", explain=lines.append)
    return lines


def dumped(folder: Path) -> burnish.Plan:
    return burnish.build(small_model(), shapes=SHAPES, artefacts=Artefacts(folder))


def rebuilt(folder: Path) -> burnish.Plan:
    return burnish.build(small_model(), shapes=SHAPES, artefacts=Artefacts(override=folder))


def only(folder: Path, ending: str) -> Path:
    (found,) = folder.glob(f"*{ending}")
    return found


def test_each_level_shows_one_thing_more(debug: pytest.MonkeyPatch) -> None:
    at = {level: "\n".join(at_level(debug, level)) for level in range(1, 7)}
    first_at = {
        "launches, arena": 1, "Contraction": 3, "not [contraction": 3, 'define void @"burnish_launch"': 4,
        "-- graph: fold_into_weights.txt": 5, "vmovups": 6,
    }  # fmt: skip
    for text, first in first_at.items():
        assert [level for level, said in at.items() if text in said] == list(range(first, 7)), text
    assert "+inputs x f32[2,4]" in at[5] and "-inputs x f32[n,4]" in at[5]


def test_the_same_build_writes_the_same_numbered_files(tmp_path: Path) -> None:
    first, second = dumped(tmp_path / "a"), dumped(tmp_path / "b")
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert files[0] == "001-imported.txt" and files[-1].endswith(".s") and files[-2].endswith(".ll")
    assert [path.read_bytes() for path in sorted((tmp_path / "a").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "b").iterdir())
    ]
    assert first.to_bytes() == second.to_bytes() == burnish.build(small_model(), shapes=SHAPES).to_bytes()


def test_an_edited_source_is_compiled_and_the_plan_says_so(tmp_path: Path) -> None:
    """The bias is subtracted."""
    plan = dumped(tmp_path)
    assert rebuilt(tmp_path).to_bytes() == plan.to_bytes()
    source = only(tmp_path, ".ll")
    source.write_text(source.read_text().replace("= fadd", "= fsub"))
    edited = rebuilt(tmp_path)
    assert edited.manifest.notes[-1] == f"built from edited sources: {source.name}"
    x = np.linspace(-1, 1, 8, dtype=np.float32).reshape(2, 4)
    w, b = (numpy_helper.to_array(t).astype(np.float64) for t in small_model().graph.initializer)
    with burnish.load(edited) as engine:
        np.testing.assert_allclose(engine(x=x)["y"], np.maximum(x @ w - b, 0), rtol=1e-5, atol=1e-6)


def test_an_edited_gpu_kernel_becomes_another_cubin(tmp_path: Path) -> None:
    pytest.importorskip("triton")
    options = {"shapes": SHAPES, "target": "cuda:sm_80"}
    plan = burnish.build(small_model(), **options, artefacts=Artefacts(tmp_path))
    source = only(tmp_path, ".py")
    assert "EXIT" in only(tmp_path, ".s").read_text()
    source.write_text(source.read_text().replace("maximum(", "minimum(").replace("0.0", "1.0"))
    edited = burnish.build(small_model(), **options, artefacts=Artefacts(override=tmp_path))
    cubins = [{n for n in p.blobs if n.startswith("cubin/")} for p in (plan, edited)]
    assert len(cubins[1]) == 1 and cubins[0] != cubins[1]
    assert source.name in edited.manifest.notes[-1]
    for content in ("this is no Python", "@triton.jit\ndef kernel(no_such_parameters):\n    nothing(1)\n"):
        source.write_text(content)
        with pytest.raises(UserError, match="E626"):
            burnish.build(small_model(), **options, artefacts=Artefacts(override=tmp_path))


@pytest.mark.parametrize(
    ("ending", "content", "code"),
    [
        (".ll", "this is no LLVM IR", "E626"),
        ("-imported.txt", "edited", "E625"),
        (".s", "edited", "E625"),
        (".ll", b"\xff\xfe", "E625"),
    ],
)
def test_what_cannot_be_put_in_place_is_refused(tmp_path: Path, ending: str, content: str | bytes, code: str) -> None:
    dumped(tmp_path)
    path = only(tmp_path, ending)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError, match=code):
        rebuilt(tmp_path)


def test_files_of_another_build_are_refused(tmp_path: Path) -> None:
    (tmp_path / "001-of-another-model.py").touch()
    with pytest.raises(UserError, match=r"E625: this build makes no 001-of-another-model\.py"):
        rebuilt(tmp_path)
    with pytest.raises(UserError, match="E625"):
        Artefacts(override=tmp_path / "nowhere")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EnvironmentProblem, match="E618"):
        dumped(tmp_path / "file")
