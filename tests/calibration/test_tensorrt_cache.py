"""TensorRT's calibration caches: what TensorRT wrote is read, what is written has its form, damage is refused."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from burnish.calibration import is_range_file, load_ranges, save_ranges
from burnish.calibration.tensorrt_cache import cache_bytes, parse_cache
from burnish.errors import UserError
from burnish.precision.ranges import Range, Ranges

# the first six as a TensorRT 7 sample's documentation prints them; then names as exporters make them
TEXT = """TRT-7000-EntropyCalibration2
data: 3c008912
conv1: 3c88edfc
prob: 3c010a14
(Unnamed Layer* 0) [Convolution]_output: 404efcc8
model/a: b::c [x]: 3f800000
small: 36a7c5ac
dead: 0
"""


def test_each_line_is_a_scale_in_hexadecimal_behind_the_last_colon() -> None:
    ranges = parse_cache(TEXT.encode())
    assert list(ranges.tensors) == ["data", "conv1", "prob", "(Unnamed Layer* 0) [Convolution]_output", *LATER]
    for name, digits in [("data", "3c008912"), ("prob", "3c010a14"), ("model/a: b::c [x]", "3f800000")]:
        found = ranges.tensors[name]
        assert found.scale == np.float32(struct.unpack(">f", bytes.fromhex(digits))[0])
        assert (found.low, found.codes) == (-found.high, np.int8)
    assert ranges.method == "TensorRT 7000 EntropyCalibration2"
    assert ranges.notes == ("1 tensors of the cache have the scale 0: what reads them stays f32",)


LATER = ("model/a: b::c [x]", "small")


@pytest.mark.parametrize("version", ["7000", "7103", "8001", "8602", "100300", "101401"])
@pytest.mark.parametrize("method", ["EntropyCalibration2", "EntropyCalibration", "MinMaxCalibration"])
def test_headers_of_versions_7_to_10_are_read(version: str, method: str) -> None:
    text = TEXT.replace("TRT-7000-EntropyCalibration2", f"TRT-{version}-{method}").replace("\n", "\r\n")
    assert parse_cache(text.encode()).tensors == parse_cache(TEXT.encode()).tensors


def test_what_is_written_says_the_same_scales_not_padded(tmp_path: Path) -> None:
    scale = float(np.float32(1e-40))  # subnormal: fewer than 8 digits
    ranges = Ranges({"a: b": Range(-2, 1), "u": Range(0, 6), "z": Range(0, 0), "tiny": Range(-scale * 127, 0)})
    save_ranges(ranges, tmp_path / "m.cache")
    lines = (tmp_path / "m.cache").read_text().splitlines()
    assert lines[0] == "TRT-101401-EntropyCalibration2" and lines[3] == "z: 0" and lines[4] == "tiny: 116c2"
    assert (
        lines[1] == f"a: b: {struct.pack('>f', 2 / 127).hex()}" and lines[2] == f"u: {struct.pack('>f', 6 / 127).hex()}"
    )
    assert is_range_file(tmp_path / "m.cache")
    again = load_ranges(tmp_path / "m.cache")
    assert cache_bytes(again) == "\n".join(line for line in lines if line != "z: 0").encode() + b"\n"


def test_the_header_names_the_method(tmp_path: Path) -> None:
    for method, word in [
        ("minmax", "MinMaxCalibration"),
        ("percentile:99.9", "LegacyCalibration"),
        ("mse", "EntropyCal"),
    ]:
        save_ranges(Ranges({"x": Range(-1, 1)}, method=method), tmp_path / "m.cache")
        assert (tmp_path / "m.cache").read_text().startswith(f"TRT-101401-{word}")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it begins with ''"),
        ("TRT-7000-EntropyCalibration2\n", "it holds no tensor"),
        ("TRT-x\ndata: 3c008912\n", "it begins with"),
        ("data: 3c008912\n", "it begins with"),
        (TEXT + "broken\n", "line 9 is 'broken'"),
        (TEXT + "a: 3c0089129\n", "line 9 is"),
        (TEXT + "a: 3g\n", "line 9 is"),
        (TEXT + "a: bf800000\n", "line 9: bf800000 is -1"),
        (TEXT + "a: 7f800000\n", "line 9: 7f800000 is inf"),
        (TEXT + "a: 7fc00000\n", "line 9: 7fc00000 is nan"),
        ("TRT-7000-EntropyCalibration2\n\xff\xfe: 1\n".encode("latin1").decode("latin1"), "utf-8"),
    ],
)
def test_damage_is_refused_and_says_where(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "m.cache").write_bytes(text.encode("latin1"))
    with pytest.raises(UserError, match=why) as caught:
        load_ranges(tmp_path / "m.cache")
    assert caught.value.code == "E730"


def test_a_folder_in_its_place_is_no_cache(tmp_path: Path) -> None:
    assert not is_range_file(tmp_path)


def test_zero_points_have_no_place_in_a_cache(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="E753"):
        save_ranges(Ranges({"x": Range(-1.0, 4.0, is_asymmetric=True)}), tmp_path / "m.cache")
    assert not list(tmp_path.iterdir())
