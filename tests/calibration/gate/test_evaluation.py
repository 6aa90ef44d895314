"""What accuracy is measured with: labels in every form, beside the samples or given, and decoders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from burnish.calibration.gate.evaluation import Evaluation
from burnish.errors import UserError


def test_labels_are_read_from_each_kind_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[3], [4]]))
    (tmp_path / "a.txt").write_text("3\n4\n")
    (tmp_path / "a.json").write_text("[3, 4]")
    for name in ("a.npy", "a.txt", "a.json"):
        assert Evaluation(None, tmp_path / name).read_labels([]).tolist() == [3, 4]
    (tmp_path / "b.txt").write_text("one word\ntwo\n")
    assert Evaluation(None, tmp_path / "b.txt").read_labels([]) == ["one word", "two"]
    boxes = [{"boxes": [[0, 0, 1, 1]]}]
    (tmp_path / "b.json").write_text(json.dumps(boxes))
    assert Evaluation(None, str(tmp_path / "b.json")).read_labels([]) == boxes
    assert Evaluation(None, [1, 2]).read_labels([]).tolist() == [1, 2]


def test_an_archive_holds_its_labels_unless_they_are_an_input(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 3)), labels=np.array([1, 0]))
    assert Evaluation(tmp_path / "a.npz").read_labels(["x"]).tolist() == [1, 0]
    assert Evaluation(tmp_path / "a.npz").read_labels(["x", "labels"]) is None
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 3)))
    assert Evaluation(tmp_path / "b.npz").read_labels(["x"]) is None
    assert Evaluation([np.zeros(3)]).read_labels(["x"]) is None


def test_a_folder_names_its_labels_by_file_and_its_table_is_no_sample(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        np.save(tmp_path / f"{number}.npy", np.zeros(3))
    (tmp_path / "labels.csv").write_text("file,label\n1.npy,11\n0.npy,10\n2.npy,12\nother.npy,99\n")
    assert Evaluation(tmp_path).read_labels(["x"]).tolist() == [10, 11, 12]
    (tmp_path / "labels.csv").write_text("file,label\n1.npy,11\n")
    with pytest.raises(UserError, match=r"no row for 0\.npy") as caught:
        Evaluation(tmp_path).read_labels(["x"])
    assert caught.value.code == "E765"


@pytest.mark.parametrize(
    ("name", "text"), [("a.txt", None), ("a.json", "{"), ("a.json", "3"), ("a.csv", "1"), ("a.npy", "")]
)
def test_labels_that_cannot_be_read_are_refused(name: str, text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match="cannot be read") as caught:
        Evaluation(None, tmp_path / name).read_labels([])
    assert caught.value.code == "E765"


def test_a_decoder_gives_one_item_or_several_for_a_run(tmp_path: Path) -> None:
    outputs = [{"y": np.array([1.0])}, {"y": np.array([2.0])}]
    (tmp_path / "d.py").write_text("def decode(outputs): return str(outputs['y'][0])")
    answers = Evaluation(None, decode=tmp_path / "d.py").decoder()(outputs, None)
    assert answers.items == ["1.0", "2.0"] and answers.outputs == outputs
    assert Evaluation(None, decode=lambda o: ["a", "b"]).decoder()(outputs, None).items == ["a", "b", "a", "b"]
    assert Evaluation(None).decoder()(outputs, None).items is None


@pytest.mark.parametrize("text", [None, "decode = 3", "def decode(outputs): return outputs['z']"])
def test_a_decoder_that_fails_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "d.py").write_text(text)
    with pytest.raises(UserError, match="does not decode") as caught:
        Evaluation(None, decode=tmp_path / "d.py").decoder()([{"y": np.zeros(1)}], None)
    assert caught.value.code == "E764"


def test_a_function_that_fails_is_refused_too() -> None:
    def broken(outputs: Any) -> Any:
        raise RuntimeError("no")

    with pytest.raises(UserError, match="broken does not decode"):
        Evaluation(None, decode=broken).decoder()([{}], None)
