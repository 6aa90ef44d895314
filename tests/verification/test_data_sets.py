"""Inputs from arrays, archives and folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from burnish.errors import UserError
from burnish.verification.data_sets import load_cases

NAMES = ("a", "b")


def write(folder: Path, **arrays: float) -> None:
    folder.mkdir(parents=True)
    for number, (name, value) in enumerate(arrays.items()):
        tensor = numpy_helper.from_array(np.float32(value), name)
        onnx.save_tensor(tensor, str(folder / f"input_{number}.pb"))


def test_a_folder_of_folders_gives_a_case_each(tmp_path: Path) -> None:
    write(tmp_path / "test_data_set_0", a=1, b=2)
    write(tmp_path / "test_data_set_1", a=3, b=4)
    cases = load_cases(tmp_path, NAMES)
    assert {name: {k: float(v) for k, v in case.items()} for name, case in cases.items()} == {
        "test_data_set_0": {"a": 1, "b": 2},
        "test_data_set_1": {"a": 3, "b": 4},
    }


def test_tensors_with_names_of_their_own_go_there_and_others_by_number(tmp_path: Path) -> None:
    write(tmp_path / "named", b=2, a=1)
    write(tmp_path / "numbered", first=1, second=2)
    for folder in ("named", "numbered"):
        (case,) = load_cases(tmp_path / folder, NAMES).values()
        assert {k: float(v) for k, v in case.items()} == {"a": 1, "b": 2}


def test_mappings_and_archives_are_one_case(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", a=1, b=2)
    assert load_cases({"a": np.ones(1)}, NAMES).keys() == {"data"}
    assert load_cases(tmp_path / "x.npz", NAMES)["x.npz"].keys() == {"a", "b"}


def test_what_holds_no_inputs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "input_0.pb").write_bytes(b"\xff\xff")
    (tmp_path / "x.npz").write_bytes(b"no archive")
    for place in ("empty", "bad", "x.npz", "none"):
        with pytest.raises(UserError, match="E713"):
            load_cases(tmp_path / place, NAMES)
