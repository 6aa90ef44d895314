"""Every source of values, in perf_analyzer's forms and in numpy's."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.errors import UserError
from burnish.perf.data.model import Input, Model
from burnish.perf.data.read_data import VARIANTS, read_data
from burnish.perf.options import Options


def model(*inputs: Input, max_batch: int = 8) -> Model:
    return Model("m", "", "", inputs, (), max_batch)


FLOATS = Input("A", "FP32", (3,))
TEXT = Input("T", "BYTES", (1,))
ANY = Input("A", "FP32", (-1,))


def write(folder: Path, content: Any) -> str:
    path = folder / "data.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def test_random_requests_differ_are_seeded_and_have_the_batch() -> None:
    ints = Input("I", "INT64", (2,))
    (stream,) = read_data(model(FLOATS, ints, TEXT), Options("m", batch=2, string_length=5))
    assert len(stream) == VARIANTS
    assert [(t.name, t.shape) for t in stream[0]] == [("A", [2, 3]), ("I", [2, 2]), ("T", [2, 1])]
    assert len({step[0].to_bytes() for step in stream}) == VARIANTS
    assert all(step[0].array.min() >= 0 and step[0].array.max() < 1 for step in stream)
    assert all(step[1].array.min() >= 0 and step[1].array.max() <= 9 for step in stream)
    assert {len(v) for step in stream for v in step[2].array.ravel()} == {5}
    (again,) = read_data(model(FLOATS, ints, TEXT), Options("m", batch=2, string_length=5))
    assert again[3][0].to_bytes() == stream[3][0].to_bytes()


def test_zero_is_one_request_of_zeros_and_a_text_can_be_given() -> None:
    (stream,) = read_data(model(FLOATS, TEXT), Options("m", data="zero"))
    assert len(stream) == 1 and not stream[0][0].array.any() and stream[0][1].to_bytes() == b"\0\0\0\0"
    (stream,) = read_data(model(TEXT), Options("m", string_value="hello"))
    assert stream[0][0].to_json() == ["hello"]


def test_a_json_file_has_lists_contents_and_base64(tmp_path: Path) -> None:
    raw = base64.b64encode(np.array([7, 8, 9], np.float32).tobytes()).decode()
    rows = [{"A": [1, 2, 3]}, {"A": {"content": [4, 5, 6], "shape": [3]}}, {"A": {"b64": raw}}]
    (stream,) = read_data(model(FLOATS), Options("m", data=write(tmp_path, {"data": rows})))
    assert [step[0].array.tolist() for step in stream] == [[[1, 2, 3]], [[4, 5, 6]], [[7, 8, 9]]]


def test_lists_of_lists_are_streams(tmp_path: Path) -> None:
    rows = [[{"A": [1, 2, 3]}, {"A": [4, 5, 6]}], [{"A": [7, 8, 9]}]]
    streams = read_data(model(FLOATS), Options("m", data=write(tmp_path, {"data": rows})))
    assert [len(stream) for stream in streams] == [2, 1]


def test_steps_fill_batches_and_the_first_fill_the_last(tmp_path: Path) -> None:
    place = write(tmp_path, {"data": [{"A": [n, n, n]} for n in (1, 2, 3)]})
    (stream,) = read_data(model(FLOATS), Options("m", data=place, batch=2))
    assert [step[0].array[:, 0].tolist() for step in stream] == [[1, 2], [3, 1]]


def test_a_free_dimension_takes_the_datas_size_and_unequal_ones_share_no_batch(tmp_path: Path) -> None:
    place = write(tmp_path, {"data": [{"A": [1, 2]}, {"A": [1, 2, 3, 4]}]})
    (stream,) = read_data(model(ANY), Options("m", data=place))
    assert [step[0].shape for step in stream] == [[1, 2], [1, 4]]
    with pytest.raises(UserError, match="different shapes"):
        read_data(model(ANY), Options("m", data=place, batch=2))


def test_arrays_and_a_folder_of_files_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", A=np.array([1, 2, 3], np.float64), T=np.array(["x"]))
    (stream,) = read_data(model(FLOATS, TEXT, max_batch=0), Options("m", data=str(tmp_path / "data.npz")))
    assert stream[0][0].array.tolist() == [1, 2, 3] and stream[0][1].to_json() == ["x"]
    np.savez(tmp_path / "bytes.npz", T=np.array([b"\xff\x01"]))
    (stream,) = read_data(model(TEXT, max_batch=0), Options("m", data=str(tmp_path / "bytes.npz")))
    assert stream[0][0].array.item() == b"\xff\x01"
    folder = tmp_path / "inputs"
    folder.mkdir()
    np.save(folder / "A.npy", np.array([4, 5, 6], np.float32))
    (folder / "T").write_bytes(b"\2\0\0\0hi")
    (stream,) = read_data(model(FLOATS, TEXT, max_batch=0), Options("m", data=str(folder)))
    assert stream[0][0].array.tolist() == [4, 5, 6] and stream[0][1].to_json() == ["hi"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"data": []}, "holds no request"),
        ({"rows": []}, 'has no "data"'),
        ({"data": [1]}, "list of objects"),
        ({"data": [{"B": [1, 2, 3]}]}, "names 'B'"),
        ({"data": [{}]}, "no values for input 'A'"),
        ({"data": [{"A": [1, 2]}]}, "does not fit"),
        ({"data": [{"A": {"b64": "!"}}]}, "E683"),
        ({"data": [{"A": {"content": [1, 2, 3], "shape": "x"}}]}, "E683"),
    ],
)
def test_data_that_cannot_be_used_say_why(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(UserError, match="E683") as caught:
        read_data(model(FLOATS), Options("m", data=write(tmp_path, content)))
    assert message in str(caught.value)


def test_a_file_that_is_missing_or_not_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("{")
    for name in ("none", "bad"):
        with pytest.raises(UserError, match=f"E683.*{name}"):
            read_data(model(FLOATS), Options("m", data=str(tmp_path / name)))


def test_random_values_need_the_shape_of_an_input_of_any_size() -> None:
    with pytest.raises(UserError, match="E682") as caught:
        read_data(model(ANY), Options("m"))
    assert "--shape A:8" in str(caught.value)
    (stream,) = read_data(model(ANY), Options("m", shapes={"A": (5,)}))
    assert stream[0][0].shape == [1, 5]
