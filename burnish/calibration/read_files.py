"""Files of samples: arrays by input name from .npz, .npy, images, .csv and .wav."""

from __future__ import annotations

import csv
import itertools
import wave
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish.calibration.preprocess import AudioRule, ImageRule, Preprocess
from burnish.errors import EnvironmentProblem, UserError
from burnish.plan.manifest import TensorSpec

Array = np.ndarray[Any, Any]
Arrays = Mapping[str, Any]
IMAGES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".ppm", ".tif", ".tiff")
NO_ARRAY = "it is no array that numpy saved, it is cut short, or it holds Python objects, which are not read"
NO_IMAGE = "it is no image that pillow reads, or it is damaged"
DAMAGED = {
    ".npz": NO_ARRAY,
    ".npy": NO_ARRAY,
    ".csv": "it is no table of text in UTF-8",
    ".wav": "it is no .wav file of whole numbers (PCM), or it is cut short",
}
ENDINGS = (".npz", ".npy", ".csv", ".wav", *IMAGES)


def read_file(path: Path, inputs: Sequence[TensorSpec], stated: Preprocess | None) -> Iterator[Arrays]:
    """The arrays of a file: one mapping, or one for each row of a .csv.

    raises: E721 for a file that cannot be read, E722 for columns that fit no input, E745 if the way from this kind of
            file to an input is not stated
    """
    read = _reader(path, inputs, stated)
    told = "" if stated is not None and stated.function is not None else DAMAGED.get(path.suffix.lower(), NO_IMAGE)
    try:
        yield from read()
    except (UserError, EnvironmentProblem):
        raise
    except Exception as error:  # numpy, zipfile, pillow, and a user's own function raise a dozen kinds
        own = error.strerror if isinstance(error, OSError) else ""
        why = own or told or f"{type(error).__name__}: {error}"  # a user's function has words of its own
        raise UserError("E721", f"{path} holds no samples", why=why, hint="mend it, or leave it out") from error


def _reader(path: Path, inputs: Sequence[TensorSpec], stated: Preprocess | None) -> Callable[[], Iterator[Arrays]]:
    ending = path.suffix.lower()
    if stated is not None and (function := stated.function) is not None:
        return lambda: iter([_by_name(function(str(path)), inputs)])
    if ending in (".npz", ".npy"):
        return lambda: iter([_by_name(_numpy(path), inputs)])
    if ending == ".csv":
        columns = None if stated is None else stated.columns
        return lambda: _rows(path, inputs, columns)
    if ending in IMAGES:
        image = _needed(path, stated and stated.image, "image", "size, fit, colour, layout and scale")
        name = _input(image.input, inputs, path)
        return lambda: iter([{name: read_image(path, image)}])
    if ending == ".wav":
        audio = _needed(path, stated and stated.audio, "audio", "rate, length and layout")
        name = _input(audio.input, inputs, path)
        return lambda: iter([{name: read_audio(path, audio)}])
    why, hint = f"{', '.join(ENDINGS)} are read", "a Python file with preprocess(path) reads any: --calib-preprocess"
    raise UserError("E721", f"{path} holds no samples", why=why, hint=hint)


def read_image(path: Path, rule: ImageRule) -> Array:
    """An image as f32, (pixel * scale - mean) / std.

    fit: crop     the shorter side becomes `resize` (or fits `size`), then the middle is taken, as torchvision does
         stretch  each side becomes that of `size`
         pad      the image fits into `size`, in its upper left corner; the rest is pixels of value 0
    """
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        what, hint = "images need pillow", "pip install 'burnish[calibration]'"
        raise EnvironmentProblem("E746", what, why="it is not installed", hint=hint) from error
    with Image.open(path) as file:
        image = ImageOps.exif_transpose(file).convert("L" if rule.colour == "grey" else "RGB")
    image = _fitted(image, rule)
    pixels: Array = np.asarray(image, np.float32).reshape(*rule.size, -1)
    if rule.colour == "bgr":
        pixels = pixels[..., ::-1]
    pixels = pixels * np.float32(rule.scale)
    if rule.mean:
        pixels = pixels - np.asarray(rule.mean, np.float32)
    if rule.std:
        pixels = pixels / np.asarray(rule.std, np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1) if rule.layout == "nchw" else pixels)[None]


def _fitted(image: Any, rule: ImageRule) -> Any:
    from PIL import Image, ImageOps

    height, width = rule.size
    if rule.fit == "stretch":
        return image.resize((width, height), Image.Resampling.BILINEAR)
    if rule.fit == "pad":
        return ImageOps.contain(image, (width, height), Image.Resampling.BILINEAR).crop((0, 0, width, height))
    if not rule.resize:
        return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)
    shorter = min(image.size)
    image = image.resize([rule.resize * side // shorter for side in image.size], Image.Resampling.BILINEAR)
    left, top = round((image.width - width) / 2), round((image.height - height) / 2)
    return image.crop((left, top, left + width, top + height))


def read_audio(path: Path, rule: AudioRule) -> Array:
    """The mean of a .wav file's channels as f32 from -1 to 1, cut or padded with zeros to the rule's length."""
    with wave.open(str(path), "rb") as file:
        width, channels, rate = file.getsampwidth(), file.getnchannels(), file.getframerate()
        raw = np.frombuffer(file.readframes(min(file.getnframes(), rule.length)), np.uint8)
    if rate != rule.rate:
        hint = "resample the file, or do it in a Python file's preprocess(path)"
        raise UserError("E722", f"{path} has another rate", why=f"{rate} Hz, not {rule.rate}", hint=hint)
    if width == 1:  # the only unsigned one
        numbers: Array = (raw.astype(np.float32) - 128) / 128
    else:
        wide = np.zeros((raw.size // width, 4), np.uint8)
        wide[:, 4 - width :] = raw.reshape(-1, width)
        numbers = wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    mono: Array = numbers.reshape(-1, channels).mean(1, dtype=np.float32)
    padded = np.pad(mono, (0, rule.length - mono.size))
    return padded.reshape({"nt": (1, -1), "nct": (1, 1, -1), "ntc": (1, -1, 1)}[rule.layout])


def _rows(path: Path, inputs: Sequence[TensorSpec], columns: Mapping[str, Sequence[str]] | None) -> Iterator[Arrays]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows: Iterator[list[str]] = (row for row in csv.reader(file) if row)
        head = next(rows, [])
        if columns is None and head and all(map(_is_number, head)):
            rows = itertools.chain([head], rows)  # a file without names of columns
        if not head:
            return
        places = _places(path, head, inputs, columns)
        for number, row in enumerate(rows, 1):
            wanted = {spec.name: places[spec.name] for spec in inputs}
            if odd := [p for own in wanted.values() for p in own if p >= len(row) or not _is_number(row[p])]:
                told = f"'{row[odd[0]]}' is no number" if odd[0] < len(row) else f"it has no column {odd[0] + 1}"
                raise UserError("E721", f"{path} holds a row that cannot be read", why=f"sample {number}: {told}")
            cells = {name: [float(row[p]) for p in own] for name, own in wanted.items()}
            yield {spec.name: _shaped(cells[spec.name], spec) for spec in inputs}


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _places(
    path: Path, head: Sequence[str], inputs: Sequence[TensorSpec], columns: Mapping[str, Sequence[str]] | None
) -> dict[str, list[int]]:
    """The columns of each input. Without a statement a model of one input takes all."""
    if columns is None and len(inputs) == 1:
        return {inputs[0].name: list(range(len(head)))}
    stated = columns or {}
    found = {}
    for spec in inputs:
        if spec.name not in stated:
            hint = f'--calib-preprocess FILE.toml with [csv.columns] {spec.name} = ["{head[0]}"]'
            raise UserError("E745", f"{path}: which columns are input '{spec.name}' is not stated", hint=hint)
        if missing := [name for name in stated[spec.name] if name not in head]:
            raise UserError("E722", f"{path} has no column '{missing[0]}'", why=f"it has {', '.join(head)}")
        found[spec.name] = [head.index(name) for name in stated[spec.name]]
    return found


def _shaped(cells: Sequence[float], spec: TensorSpec) -> Array:
    """A row in the shape of one sample. What does not fit the input stays as it is, and is refused as such."""
    array: Array = np.array(cells, np.float64)
    if spec.dtype.numpy.kind == "f" or (array == np.rint(array)).all():
        array = array.astype(spec.dtype.numpy)
    try:
        return array.reshape(1, *(d if isinstance(d, int) else -1 for d in spec.shape[1:]))
    except ValueError:
        return array


def _numpy(path: Path) -> Any:
    with open(path, "rb") as file:
        loaded = np.load(file, allow_pickle=False)
        return dict(loaded) if path.suffix.lower() == ".npz" else loaded


def _by_name(found: Any, inputs: Sequence[TensorSpec]) -> Arrays:
    return found if isinstance(found, Mapping) else {inputs[0].name: np.asarray(found)}


def _needed(path: Path, rule: Any, table: str, keys: str) -> Any:
    if rule is None:
        hint = f"--calib-preprocess FILE.toml with a table [{table}] (docs/quantization.md), or FILE.py"
        why = f"the table [{table}] states {keys}; a guess would give ranges that look right"
        raise UserError("E745", f"{path}: how it becomes an input is not stated", why=why, hint=hint)
    return rule


def _input(named: str, inputs: Sequence[TensorSpec], path: Path) -> str:
    if not named and len(inputs) > 1:
        why = f"the model has {', '.join(t.name for t in inputs)}"
        raise UserError("E745", f"{path}: which input it is is not stated", why=why, hint='add input = "NAME"')
    return named or inputs[0].name
