"""Samples from files and iterables, and what does not fit."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.calibration.samples import open_samples
from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.plan.manifest import SymbolRange, TensorSpec

X = TensorSpec("x", DType.F32, (1, 3), 0)
IDS = TensorSpec("ids", DType.I64, (symbol("n"), 4), 1)


def test_a_longer_first_axis_is_several_samples(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.savez(tmp_path / "a.npz", x=array, labels=np.arange(4))
    np.save(tmp_path / "a.npy", array)
    for data in (tmp_path / "a.npz", str(tmp_path / "a.npy"), {"x": array}, [array]):
        assert np.array_equal(np.concatenate([s["x"] for s in open_samples(data, [X])]), array)


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        np.savez(tmp_path / f"{name}.npz", x=np.full((1, 3), ord(name), np.float32))
    samples = open_samples(tmp_path, [X])
    assert samples.count == 3
    assert [int(s["x"][0, 0]) for s in samples] == [ord(c) for c in "abc"]


def test_a_model_of_one_input_takes_the_array_that_fits_whatever_its_name() -> None:
    (sample,) = open_samples({"image": np.ones((1, 3)), "label": np.zeros(1)}, [X])
    assert sample["x"].sum() == 3
    with pytest.raises(UserError, match="no array for input 'x'"):
        list(open_samples({"a": np.ones((1, 3)), "b": np.zeros((1, 3))}, [X]))


def test_integers_that_the_input_does_not_hold_are_refused_and_not_wrapped() -> None:
    spec = TensorSpec("bytes", DType.I32, (1, 2), 0)
    (sample,) = open_samples([np.array([[-(2**31), 2**31 - 1]])], [spec])
    assert sample["bytes"].tolist() == [[-(2**31), 2**31 - 1]]
    for array in (np.array([[5, 2**32 + 7]]), np.array([[0, 2**31]], np.uint32)):
        with pytest.raises(UserError, match="which i32 does not hold") as caught:
            list(open_samples([array], [spec]))
        assert caught.value.code == "E722"


def test_a_number_beyond_f32_becomes_infinite_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (sample,) = open_samples([np.array([[1e300, -1e300, 2.0]])], [X])
    assert sample["x"].tolist() == [[np.inf, -np.inf, 2.0]]


def test_inputs_for_different_numbers_of_runs_are_refused() -> None:
    inputs = [X, TensorSpec("z", DType.F32, (2, 1), 0)]
    constant = {"x": np.arange(9).reshape(3, 3), "z": np.ones((2, 1))}
    assert [s["z"].shape for s in open_samples(constant, inputs)] == [(2, 1)] * 3
    with pytest.raises(UserError, match="'z' is of another length") as caught:
        list(open_samples({"x": np.zeros((3, 3)), "z": np.ones((4, 1))}, inputs))
    assert caught.value.code == "E722"


def test_an_open_first_axis_is_not_split() -> None:
    ids = np.zeros((5, 4), np.int32)
    (sample,) = open_samples([{"ids": ids}], [IDS])
    assert sample["ids"].shape == (5, 4) and sample["ids"].dtype == np.int64


def test_an_open_first_axis_is_split_into_parts_that_the_profile_allows() -> None:
    ids, n = np.arange(44).reshape(11, 4), SymbolRange("n", 2, 2, 4)
    parts = [s["ids"] for s in open_samples([{"ids": ids}], [IDS], bounds=[n])]
    assert [len(part) for part in parts] == [3, 4, 4] and np.array_equal(np.concatenate(parts), ids)
    (whole,) = open_samples([{"ids": ids}], [IDS], bounds=[SymbolRange("n", 4, 4, 4)])  # 11 are no fours: E505 says so
    assert len(whole["ids"]) == 11
    state = TensorSpec("state", DType.F32, (2, symbol("n")), 2)  # rows are on another axis here
    (sample,) = open_samples([{"ids": ids, "state": np.zeros((2, 11))}], [IDS, state], bounds=[n])
    assert len(sample["ids"]) == 11


def test_a_scalar_stays_one() -> None:
    rate = TensorSpec("rate", DType.I64, (), 1)
    (sample,) = open_samples([{"x": np.ones((1, 3)), "rate": np.array(16000)}], [X, rate])
    assert sample["rate"].shape == () and sample["rate"] == 16000


def test_a_missing_batch_axis_is_added() -> None:
    assert [s["x"].shape for s in open_samples(iter([np.zeros(3), np.ones((1, 3))]), [X])] == [(1, 3), (1, 3)]


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        ({"y": np.zeros((1, 4))}, "E722", "no array for input 'x'"),
        ({"x": np.zeros((1, 4))}, "E722", "it is 1x4; a run takes 1x3"),
        ([np.array([["a", "b", "c"]])], "E722", "another type"),
        (5, "E721", "not iterable"),
        ("missing.npz", "E721", "No such file"),
    ],
)
def test_what_does_not_fit_is_refused(data: object, code: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        list(open_samples(data, [X]))
    assert caught.value.code == code


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file of the kinds \.npz") as caught:
        open_samples(tmp_path, [X])
    assert caught.value.code == "E721"


@pytest.mark.parametrize("first", [1, symbol("n")])
def test_an_array_without_rows_is_no_sample(first: Any) -> None:
    inputs = (TensorSpec("x", DType.F32, (first, 3), 0),)
    with pytest.raises(UserError, match="holds no samples") as caught:
        list(open_samples({"x": np.zeros((0, 3), np.float32)}, inputs))
    assert caught.value.code == "E721" and "no rows" in caught.value.why
    boxes = (X, TensorSpec("boxes", DType.F32, (symbol("k"), 4), 1))
    (sample,) = open_samples({"x": np.ones((1, 3), np.float32), "boxes": np.zeros((0, 4), np.float32)}, boxes)
    assert sample["boxes"].shape == (0, 4)
