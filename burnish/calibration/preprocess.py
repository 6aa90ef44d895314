"""How files become arrays: stated by the user in a small TOML file, or by a Python file's `preprocess(path)`.

    [image]                     [csv.columns]                       [audio]
    size = [224, 224]           features = ["age", "income"]        rate = 16000
    fit = "crop"                                                    length = 16000
    resize = 256                                                    layout = "nt"
    colour = "rgb"
    layout = "nchw"
    scale = 0.00392156862745098
    mean = [0.485, 0.456, 0.406]
    std = [0.229, 0.224, 0.225]

An image becomes (pixel * scale - mean) / std. Nothing that changes the numbers has a default but mean 0 and std 1: a
wrong guess would give ranges that look right. docs/quantization.md explains each key.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from burnish.calibration.python_file import load_function
from burnish.errors import UserError

FITS = ("crop", "stretch", "pad")
COLOURS = {"rgb": 3, "bgr": 3, "grey": 1}
LAYOUTS = ("nchw", "nhwc")
WAVES = ("nt", "nct", "ntc")


@dataclass(frozen=True)
class ImageRule:
    """size: height and width; fit: how an image gets them (`read_image`); resize: the shorter side before a crop."""

    size: tuple[int, int]
    fit: str
    colour: str
    layout: str
    scale: float
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: int = 0
    input: str = ""

    def __post_init__(self) -> None:
        _one_of("fit", self.fit, FITS)
        _one_of("colour", self.colour, COLOURS)
        _one_of("layout", self.layout, LAYOUTS)
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError("size takes a height and a width, such as [224, 224]")
        if self.resize < 0 or (self.resize and (self.fit != "crop" or self.resize < max(self.size))):
            raise ValueError("resize is the shorter side before fit = 'crop', no less than size")
        for name, given in (("mean", self.mean), ("std", self.std)):
            if len(given) not in (0, 1, COLOURS[self.colour]):
                raise ValueError(f"{name} takes one number, or {COLOURS[self.colour]} for colour = '{self.colour}'")
        if 0 in self.std or not self.scale:
            raise ValueError("scale and std must not be 0")


@dataclass(frozen=True)
class AudioRule:
    """rate: samples a second that the file must have; length: samples of a run: files are cut, or padded."""

    rate: int
    length: int
    layout: str
    input: str = ""

    def __post_init__(self) -> None:
        _one_of("layout", self.layout, WAVES)
        if self.rate < 1 or self.length < 1:
            raise ValueError("rate and length are at least 1")


@dataclass(frozen=True)
class Preprocess:
    """What was stated. function: the Python file's, which takes every file; else the rules of a TOML file."""

    path: Path
    image: ImageRule | None = None
    audio: AudioRule | None = None
    columns: Mapping[str, tuple[str, ...]] | None = None
    function: Callable[[str], Any] | None = None


def load_preprocess(path: str | os.PathLike[str]) -> Preprocess:
    """Read a .toml or a .py file. E745 if it cannot be read, or says something else than it can."""
    path = Path(path)
    try:
        if path.suffix == ".py":
            return Preprocess(path, function=load_function(path, "preprocess"))
        content = tomllib.loads(path.read_text())
        if unknown := set(content) - {"image", "audio", "csv"}:
            raise ValueError(f"there is no table [{min(unknown)}]; there are [image], [audio] and [csv.columns]")
        columns = content["csv"]["columns"] if "csv" in content else None
        if columns is not None:
            columns = {name: tuple(map(str, [c] if isinstance(c, str) else c)) for name, c in columns.items()}
        image, audio = (content.get(name) for name in ("image", "audio"))
        return Preprocess(
            path,
            None if image is None else ImageRule(**_checked(ImageRule, "image", image)),
            None if audio is None else AudioRule(**_checked(AudioRule, "audio", audio)),
            columns,
        )
    except Exception as error:  # a Python file may raise anything
        own = error.strerror if isinstance(error, OSError) else str(error) if type(error) is ValueError else ""
        why = own or f"{type(error).__name__}: {error}"
        hint = "docs/quantization.md shows a whole file"
        raise UserError("E745", f"{path} does not state how files become inputs", why=why, hint=hint) from error


def _checked(rule: type[Any], table: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a table in the types of the rule's fields."""
    known = {f.name: f for f in fields(rule)}
    if unknown := set(given) - set(known):
        raise ValueError(f"[{table}] has no key '{min(unknown)}'; it has {', '.join(known)}")
    needed = [n for n, f in known.items() if f.default is MISSING and n not in given]
    if needed:
        raise ValueError(f"[{table}] must also say {', '.join(needed)}")
    found: dict[str, Any] = {}
    for name, value in given.items():
        kind = str(known[name].type)
        if kind.startswith("tuple"):
            value = value if isinstance(value, list) else [value]
            found[name] = tuple(int(v) if "int" in kind else float(v) for v in value)
        else:
            found[name] = {"int": int, "float": float, "str": str}[kind](value)
    return found


def _one_of(name: str, given: str, known: Any) -> None:
    if given not in known:
        raise ValueError(f"{name} = '{given}' is none of {', '.join(known)}")
