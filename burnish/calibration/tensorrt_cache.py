"""TensorRT's calibration cache, versions 7 to 10: the scale of each tensor, as text.

    TRT-101401-EntropyCalibration2
    images: 3c010a14
    (Unnamed Layer* 0) [Convolution]_output: 3d8a0f1b
    dead: 0

A number is the f32 amax / 127, big-endian and in hexadecimal, without leading zeros. Names are those of the model as it
was parsed, and may hold ": ", so the last one ends the name.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from burnish.errors import UserError
from burnish.plan import write_atomically
from burnish.precision.ranges import Range, Ranges

MARK = b"TRT-"
STEPS = 127
NEWEST = 101401  # the version that files from here carry
METHODS = {  # a cache's word for how its ranges were chosen, and ours
    "EntropyCalibration2": "entropy",
    "EntropyCalibration": "entropy",
    "MinMaxCalibration": "minmax",
    "LegacyCalibration": "percentile",
}
_HEADER = re.compile(r"TRT-(\d{4,6})-(\w+)")
_LINE = re.compile(r"(.*): ?([0-9A-Fa-f]{1,8})")


def parse_cache(content: bytes, where: str = "") -> Ranges:
    """The ranges in a cache: symmetric, as a cache holds the largest magnitude alone. E730 if it is damaged."""
    try:
        head, *lines = content.decode().splitlines() or [""]
        found = _HEADER.fullmatch(head.strip())
        if found is None:
            raise ValueError(f"it begins with '{head[:40]}'; a cache begins with TRT-VERSION-METHOD")
        tensors = dict(_tensors(lines))
        if not tensors:
            raise ValueError("it holds no tensor")
    except ValueError as error:
        hint = "burnish calibrate MODEL --data DATA -o FILE.cache writes one"
        what = "a calibration cache is damaged"
        raise UserError("E730", what, where=where, why=str(error), hint=hint) from error
    zeros = sum(not r.largest for r in tensors.values())
    notes = (f"{zeros} tensors of the cache have the scale 0: what reads them stays f32",) if zeros else ()
    known = {name: r for name, r in tensors.items() if r.largest}
    return Ranges(known, method=f"TensorRT {found[1]} {found[2]}", notes=notes, is_superset=True)


def _tensors(lines: list[str]) -> Iterator[tuple[str, Range]]:
    for number, line in enumerate(lines, 2):
        if not line.strip():
            continue
        found = _LINE.fullmatch(line.rstrip())
        if found is None:
            raise ValueError(f"line {number} is '{line[:60]}'; it must be NAME: HEX")
        (scale,) = struct.unpack(">f", bytes.fromhex(found[2].zfill(8)))
        if not 0 <= scale < np.inf or scale * STEPS > np.finfo(np.float32).max:
            raise ValueError(
                f"line {number}: {found[2]} is {scale:g}, and a scale is a finite number that is not negative"
            )
        yield found[1], Range(-scale * STEPS, scale * STEPS) if scale else Range(0.0, 0.0)


def cache_bytes(ranges: Ranges, algorithm: str = "EntropyCalibration2") -> bytes:
    """The cache that says these ranges. A tensor that is never negative loses that it has 255 steps."""
    lines = [f"TRT-{NEWEST}-{algorithm}", *(f"{n}: {_hexadecimal(r)}" for n, r in ranges.tensors.items())]
    return "".join(f"{line}\n" for line in lines).encode()


def algorithm_of(method: str) -> str:
    """TensorRT's word for a method of ours; entropy's for those that it does not have."""
    name = method.partition("+")[0].partition(":")[0]
    return next((word for word, own in METHODS.items() if own == name), "EntropyCalibration2")


def load_cache(path: str | os.PathLike[str]) -> Ranges:
    """Read a file. E730 if it is damaged or cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        why = error.strerror or str(error)
        raise UserError("E730", "a calibration cache cannot be read", where=str(path), why=why) from error
    return parse_cache(content, str(path))


def save_cache(ranges: Ranges, path: str | os.PathLike[str]) -> None:
    """Write a file that TensorRT reads, and `load_cache`. E753 for asymmetric ranges, which a cache cannot hold."""
    if any(found.is_asymmetric for found in ranges.tensors.values()):
        raise no_zero_points(path)
    write_atomically(path, [cache_bytes(ranges, algorithm_of(ranges.method))])


def no_zero_points(path: str | os.PathLike[str]) -> UserError:
    """The error of a cache for asymmetric codes."""
    why, hint = "a calibration cache of TensorRT's holds scales alone", "-o FILE.json, or leave +asymmetric out"
    return UserError("E753", f"asymmetric ranges cannot be kept in {path}", why=why, hint=hint)


def is_cache(path: str | os.PathLike[str]) -> bool:
    """Is it meant to be one, by its beginning or its name?"""
    try:
        with open(path, "rb") as file:
            return file.read(len(MARK)) == MARK or names_cache(path)
    except OSError:
        return False


def names_cache(path: str | os.PathLike[str]) -> bool:
    """Does a file's name say that it is a cache?"""
    return Path(path).suffix == ".cache"


def _hexadecimal(found: Range) -> str:
    (number,) = struct.unpack(">I", struct.pack(">f", np.float32(found.largest / STEPS)))
    return f"{number:x}"
