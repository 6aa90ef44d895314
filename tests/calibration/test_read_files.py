"""Files become arrays as stated: images against pillow and numpy by hand, audio and tables against what was written."""

from __future__ import annotations

import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from burnish.calibration.preprocess import AudioRule, ImageRule, Preprocess, load_preprocess
from burnish.calibration.read_files import read_audio, read_image
from burnish.calibration.samples import open_samples
from burnish.dtypes import DType
from burnish.errors import BurnishError
from burnish.plan.manifest import TensorSpec

PIXELS = TensorSpec("x", DType.F32, (1, 3, 4, 6), 0)
AGE, IDS = TensorSpec("age", DType.F32, (1, 2), 0), TensorSpec("ids", DType.I64, (1,), 1)


def picture(path: Path, height: int = 4, width: int = 6) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def stated(image: ImageRule | None = None, **others: object) -> Preprocess:
    return Preprocess(Path("p.toml"), image, **others)  # type: ignore[arg-type]


@pytest.mark.parametrize("fit", ["crop", "stretch", "pad"])
def test_an_image_of_the_right_size_keeps_its_pixels(tmp_path: Path, fit: str) -> None:
    pixels = picture(tmp_path / "a.png").astype(np.float32)
    found = read_image(tmp_path / "a.png", ImageRule((4, 6), fit, "rgb", "nhwc", 1.0))
    assert np.array_equal(found, pixels[None])


def test_scale_mean_std_colour_and_layout_are_as_stated(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "a.png")
    rule = ImageRule((4, 6), "stretch", "bgr", "nchw", 1 / 255, (0.1, 0.2, 0.3), (0.5, 0.6, 0.7))
    wanted = (pixels[..., ::-1] / 255.0 - [0.1, 0.2, 0.3]) / [0.5, 0.6, 0.7]
    found = read_image(tmp_path / "a.png", rule)
    assert found.dtype == np.float32 and np.allclose(found[0], wanted.transpose(2, 0, 1), atol=1e-5)


def test_a_crop_is_the_middle_of_the_resized_image(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 20, 31)
    resized = Image.open(tmp_path / "a.png").resize((15, 10), Image.Resampling.BILINEAR)
    found = read_image(tmp_path / "a.png", ImageRule((8, 8), "crop", "rgb", "nhwc", 1.0, resize=10))
    assert np.array_equal(found[0], np.asarray(resized)[1:9, 4:12])


def test_a_padded_image_lies_in_the_upper_left(tmp_path: Path) -> None:
    pixels = picture(tmp_path / "a.png", 4, 8)
    found = read_image(tmp_path / "a.png", ImageRule((8, 8), "pad", "rgb", "nhwc", 1.0))
    assert np.array_equal(found[0, :4], pixels) and not found[0, 4:].any()


def test_grey_has_one_channel(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    grey = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    found = read_image(tmp_path / "a.png", ImageRule((4, 6), "stretch", "grey", "nchw", 1.0))
    assert np.array_equal(found[0, 0], grey)


def test_a_folder_of_images_is_one_sample_each(tmp_path: Path) -> None:
    for name in "cab":
        picture(tmp_path / f"{name}.PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    samples = open_samples(tmp_path, [PIXELS], stated(ImageRule((4, 6), "crop", "rgb", "nchw", 1.0)))
    assert samples.count == 3 and [s["x"].shape for s in samples] == [(1, 3, 4, 6)] * 3


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_audio_is_cut_or_padded(tmp_path: Path, width: int) -> None:
    numbers = np.array([[0, 64], [-128, 0], [127, 127]])
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(2), file.setsampwidth(width), file.setframerate(8000)
        raw = (numbers + 128).astype(np.uint8) if width == 1 else (numbers << 8 * (width - 1)).astype("<i4")
        file.writeframes(raw.tobytes() if width == 1 else raw.view(np.uint8).reshape(-1, 4)[:, :width].tobytes())
    wanted = [0.25, -0.5, 127 / 128]
    assert np.allclose(read_audio(tmp_path / "a.wav", AudioRule(8000, 2, "nct")), [[wanted[:2]]])
    assert np.allclose(read_audio(tmp_path / "a.wav", AudioRule(8000, 5, "nt")), [[*wanted, 0, 0]])
    with pytest.raises(BurnishError, match="8000 Hz, not 16000"):
        read_audio(tmp_path / "a.wav", AudioRule(16000, 5, "nt"))


def test_rows_of_a_table_are_samples(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,b,a,id\nx,1,2.5,7\ny,3,4,8\n")
    columns = {"age": ("a", "b"), "ids": ("id",)}
    first, second = open_samples(tmp_path / "a.csv", [AGE, IDS], stated(columns=columns))
    assert first["age"].tolist() == [[2.5, 1.0]] and first["ids"].tolist() == [7] and second["ids"].dtype == np.int64


@pytest.mark.parametrize("head", ["", "a,b\n"])
def test_all_columns_are_the_only_input(tmp_path: Path, head: str) -> None:
    (tmp_path / "a.csv").write_text(head + "1,2\n3,4\n")
    assert [s["age"].tolist() for s in open_samples(tmp_path / "a.csv", [AGE])] == [[[1, 2]], [[3, 4]]]


def test_a_python_file_reads_any_kind(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("1 2")
    (tmp_path / "p.py").write_text(
        "def preprocess(path):\n    with open(path) as file:\n        return [[*map(float, file.read().split())]]\n"
    )
    (sample,) = open_samples(tmp_path / "data", [AGE], load_preprocess(tmp_path / "p.py"))
    assert sample["age"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("name", "content", "inputs", "code", "words"),
    [
        ("a.png", b"no picture", [PIXELS], "E745", r"table \[image\] states size"),
        ("a.wav", b"", [PIXELS], "E745", r"table \[audio\]"),
        ("a.csv", b"a,b\n1,2\n", [AGE, IDS], "E745", "which columns are input 'age'"),
        ("a.csv", b"a,b\n1,x\n", [AGE], "E721", "sample 1: 'x' is no number"),
        ("a.csv", b"a,b,c\n1,2,3\n", [AGE], "E722", "a run takes 1x2"),
        ("a.csv", b"i\n1.5\n", [IDS], "E722", "another type"),
        ("a.csv", b"a,b\n1\n", [AGE], "E721", "sample 1: it has no column 2"),
        ("a.csv", b"a,b\n\xff,1\n", [AGE], "E721", "no table of text in UTF-8"),
        ("a.npy", b"", [AGE], "E721", "no array that numpy saved"),
        ("a.npz", b"PK", [AGE], "E721", "no array that numpy saved"),
        ("a.pdf", b"", [AGE], "E721", r"\.npz, \.npy"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: bytes, inputs: list[TensorSpec], code: str, words: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BurnishError, match=words) as caught:
        list(open_samples(tmp_path / name, inputs))
    assert caught.value.code == code and name in str(caught.value)


def test_a_damaged_image_a_missing_column_and_an_unnamed_input_are_named(tmp_path: Path) -> None:
    rule = ImageRule((4, 6), "crop", "rgb", "nchw", 1.0)
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff damaged")
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    for name, inputs, how, code in (
        ("a.jpg", [PIXELS], stated(rule), "E721"),
        ("a.jpg", [PIXELS, AGE], stated(rule), "E745"),
        ("a.csv", [AGE], stated(columns={"age": ("a", "z")}), "E722"),
    ):
        with pytest.raises(BurnishError, match=name) as caught:
            list(open_samples(tmp_path / name, inputs, how))
        assert caught.value.code == code


def test_a_function_that_fails_names_the_file(tmp_path: Path) -> None:
    def fail(path: str) -> None:
        raise ZeroDivisionError("no")

    picture(tmp_path / "a.png")
    with pytest.raises(BurnishError, match=r"a\.png.*[\s\S]*ZeroDivisionError") as caught:
        list(open_samples(tmp_path / "a.png", [PIXELS], stated(function=fail)))
    assert caught.value.code == "E721"


def test_without_pillow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(BurnishError, match=r"burnish\[calibration\]") as caught:
        read_image(tmp_path / "a.png", ImageRule((4, 6), "crop", "rgb", "nchw", 1.0))
    assert caught.value.code == "E746"
