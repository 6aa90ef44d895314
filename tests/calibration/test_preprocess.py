"""What a TOML or a Python file may state, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.calibration.preprocess import ImageRule, load_preprocess
from burnish.errors import UserError

IMAGE = '[image]\nsize = [4, 6]\nfit = "stretch"\ncolour = "rgb"\nlayout = "nchw"\nscale = 1\n'


def written(folder: Path, text: str, name: str = "p.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_whole_statement_is_read(tmp_path: Path) -> None:
    text = IMAGE + 'mean = 0.5\nstd = [1, 2, 3]\n[audio]\nrate = 8\nlength = 4\nlayout = "nt"\n[csv.columns]\nx = "a"\n'
    found = load_preprocess(written(tmp_path, text))
    assert found.image == ImageRule((4, 6), "stretch", "rgb", "nchw", 1.0, (0.5,), (1.0, 2.0, 3.0))
    assert found.audio is not None and found.audio.rate == 8 and found.columns == {"x": ("a",)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[image]\nsize = [4, 4]\n", "must also say fit, colour, layout, scale"),
        ("[audio]\nrate = 4\n", "must also say length, layout"),
        (IMAGE.replace("rgb", "cmyk"), "colour = 'cmyk' is none of"),
        (IMAGE.replace("nchw", "chw"), "layout = 'chw' is none of"),
        (IMAGE.replace("[4, 6]", "[4]"), "a height and a width"),
        (IMAGE + "mean = [1, 2]\n", "mean takes one number, or 3"),
        (IMAGE + "std = 0\n", "must not be 0"),
        (IMAGE + "resize = 8\n", "resize is the shorter side"),
        (IMAGE + "crop = 8\n", "has no key 'crop'"),
        (IMAGE.replace("= 1\n", '= "a"\n'), "could not convert"),
        ("[picture]\n", r"no table \[picture\]"),
        ("[image\n", "TOMLDecodeError"),
    ],
)
def test_what_is_not_a_statement_is_refused(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        load_preprocess(written(tmp_path, text))
    assert caught.value.code == "E745" and "p.toml" in str(caught.value)


@pytest.mark.parametrize("text", ["def other(path): ...", "1 / 0", "preprocess = 3"])
def test_a_python_file_without_the_function_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UserError, match=r"p\.py") as caught:
        load_preprocess(written(tmp_path, text, "p.py"))
    assert caught.value.code == "E745"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.toml"):
        load_preprocess(tmp_path / "gone.toml")
