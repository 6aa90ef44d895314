"""sample_shapes.py: open inputs that nobody named have the shapes of the samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import numpy_helper

import burnish
from burnish.calibration import calibrate, compare, report
from burnish.errors import UserError

Samples = list[dict[str, np.ndarray]]


def model(x: str = "N,T,8", state: str = "2,N,8") -> onnx.ModelProto:
    """A state beside the data, whose batch is not its first axis: fixed at 1 everywhere, the two would not fit."""
    nodes = "a = MatMul(x, w) b = MatMul(s, w) c = ReduceSum(b) y = Add(a, c)"
    text = f"g (float[{x}] x, float[{state}] s) => (float y) {{ {nodes} }}"
    proto = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : 17]> {text}')
    weight = np.random.default_rng(1).standard_normal((8, 4)).astype(np.float32)
    proto.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    return proto


def samples(*lengths: int) -> Samples:
    random = np.random.default_rng(2)
    return [
        {"x": random.standard_normal((3, n, 8)).astype(np.float32), "s": np.full((2, 3, 8), n, np.float32)}
        for n in lengths
    ]


def test_a_list_may_hold_several_shapes() -> None:
    data = samples(5, 2, 9)
    found = calibrate(model(), data, method="minmax")
    assert found.tensors["x"].high == max(float(sample["x"].max()) for sample in data)
    assert found.tensors["s"].high == 9
    assert "input 'x' is open: 3x2x8 to 3x9x8, as in the samples" in found.notes
    assert "input 's' is open: 2x3x8, as in the samples" in found.notes
    assert report(model(), data).samples >= 3
    notes = compare(model(), data, data, method="minmax").notes
    assert "first data: input 'x' is open: 3x2x8 to 3x9x8, as in the samples" in notes


def test_the_first_sample_of_an_iterator_is_not_lost() -> None:
    data = samples(4, 4, 4)
    found = calibrate(model(), iter(data), method="minmax")
    assert found.tensors["x"].high == max(float(sample["x"].max()) for sample in data)


def test_a_file_is_looked_at_once_more(tmp_path: Path) -> None:
    np.savez(tmp_path / "one.npz", **samples(6)[0])
    onnx.save(model(), tmp_path / "m.onnx")
    found = calibrate(tmp_path / "m.onnx", tmp_path / "one.npz", method="minmax")
    assert found.tensors["s"].high == 6


def test_a_later_sample_of_another_shape_is_refused_where_only_the_first_is_seen() -> None:
    with pytest.raises(UserError, match="E722"):
        calibrate(model(), iter(samples(4, 5)))


def test_what_the_caller_says_and_batches_stay_as_they_are() -> None:
    shapes = {"x": (3, 4, 8), "s": (2, 3, 8)}
    assert not any("as in the samples" in note for note in calibrate(model(), samples(4, 4), shapes=shapes).notes)
    with pytest.raises(UserError, match="E722"):
        calibrate(model(), samples(5), shapes=shapes)
    rows = [{"x": np.ones((6, 4, 8), np.float32), "s": np.ones((6, 3, 8), np.float32)}]
    found = calibrate(model("N,4,8", "N,3,8"), rows, method="minmax")  # N is a batch: run row by row
    assert found.samples == 6 and not any("as in the samples" in note for note in found.notes)


def test_no_samples_and_what_does_not_fit_keep_their_codes() -> None:
    with pytest.raises(UserError, match="E721"):
        calibrate(model(), [])
    with pytest.raises(UserError, match="E721"):
        calibrate(model(), iter([]))
    with pytest.raises(UserError, match="E722"):
        calibrate(model(), [{"x": np.ones((3, 4, 7), np.float32), "s": np.ones((2, 3, 8), np.float32)}])
    with pytest.raises(burnish.BurnishError, match="E1"):
        calibrate(b"no model", [])


@pytest.mark.parametrize(("rows", "length"), [(3, 0), (0, 2)])
def test_samples_without_any_number_have_no_range_and_are_told_so(rows: int, length: int) -> None:
    empty = {"x": np.zeros((rows, length, 8), np.float32), "s": np.zeros((2, rows, 8), np.float32)}
    with pytest.raises(UserError, match=r"E724(.|\n)*it holds no numbers, in any sample"):
        calibrate(model(), [empty], method="minmax")
