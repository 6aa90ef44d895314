"""Interrupted runs end with the same ranges as whole ones, and files of something else are refused."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish.calibration import calibrate, find_ranges
from burnish.calibration.checkpoint import load_tally, model_digest
from burnish.errors import BurnishError
from tests.end_to_end.architectures import SMALL

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"
Sample = dict[str, np.ndarray]


def images(count: int) -> list[Sample]:
    images = np.load(DIGITS.with_name("digits_samples.npz"))["images"]
    return [{"images": images[n : n + 1]} for n in range(count)]


@pytest.fixture
def model() -> Path:
    return DIGITS


def test_an_interrupted_run_goes_on_and_ends_the_same(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c.npz"

    def interrupted() -> Iterator[Sample]:
        for number, sample in enumerate(images(5)):
            if number == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield sample

    with pytest.raises(KeyboardInterrupt):
        calibrate(model, interrupted(), cache=cache)
    assert load_tally(cache).runs == 2
    assert calibrate(model, images(5), cache=cache) == calibrate(model, images(5))
    assert load_tally(cache).runs == 5


def test_another_method_runs_nothing_again(model: Path, tmp_path: Path) -> None:
    cache, done = tmp_path / "c.npz", list[int]()
    calibrate(model, images(3), cache=cache)
    found = calibrate(model, images(3), method="minmax", cache=cache, progress=lambda what, n, all: done.append(n))
    assert found == calibrate(model, images(3), method="minmax") and not done


def test_a_sample_that_fails_keeps_those_before_it(model: Path, tmp_path: Path) -> None:
    with pytest.raises(BurnishError, match="E722"):
        calibrate(model, [*images(2), np.zeros(3)], cache=tmp_path / "c.npz")
    assert load_tally(tmp_path / "c.npz").runs == 2


def test_a_file_of_other_data_or_of_another_model_is_refused(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c.npz"
    calibrate(model, images(2), cache=cache)
    for other, data, words in (
        (model, images(3)[1:], "not the data's first ones"),
        (model, images(1), "the data has 1"),
        (SMALL["resnet"].make(), [SMALL["resnet"].feeds(1)], "other nodes or weights"),
    ):
        with pytest.raises(BurnishError, match=words) as caught:
            calibrate(other, data, cache=cache)
        assert caught.value.code == "E748"


def test_a_damaged_file_is_refused(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "c.npz"
    calibrate(model, images(1), cache=cache)
    whole = cache.read_bytes()
    np.savez(tmp_path / "other.npz", head=np.frombuffer(b"{}", np.uint8), counts=np.zeros(3))
    for content in (b"", whole[: len(whole) // 2], (tmp_path / "other.npz").read_bytes()):
        cache.write_bytes(content)
        with pytest.raises(BurnishError, match="no file of histograms") as caught:
            calibrate(model, images(1), cache=cache)
        assert caught.value.code == "E747"


def digest(bias: float = 1.0, shape: tuple[int, ...] = (2,), attribute: float = 0.0) -> str:
    """Of y = (x * attribute's long tensor) + bias."""
    long = np.zeros(5000, np.float32)
    long[-1] = attribute
    x, b = ir.Value(name="x"), ir.Value(name="b", const_value=ir.tensor(np.full(shape, bias, np.float32)))
    constant = ir.node("Constant", [], {"value": ir.tensor(long)})
    product = ir.node("Mul", [x, constant.outputs[0]])
    total = ir.node("Add", [product.outputs[0], b])
    for n, node in enumerate((constant, product, total)):
        node.outputs[0].name = f"v{n}"
    nodes = [constant, product, total]
    return model_digest(ir.Graph([x], total.outputs, nodes=nodes, initializers=[b]))


def test_models_that_compute_other_things_have_other_digests() -> None:
    assert digest() == digest()
    assert len({digest(), digest(bias=2.0), digest(shape=(2, 1)), digest(attribute=1.0)}) == 4


def test_ranges_name_the_model_with_its_weights() -> None:
    networks = [SMALL["resnet"].make(), SMALL["resnet"].make()]
    found = ir.from_proto(onnx.load_from_string(networks[1]))
    weight = next(v for v in found.graph.initializers.values() if len(v.shape or ()) == 4)
    weight.const_value = ir.tensor(weight.const_value.numpy() * 2, name=weight.name)
    networks[1] = ir.to_proto(found).SerializeToString()
    samples = [SMALL["resnet"].feeds(1)]
    first, again, other = (calibrate(n, samples, method="minmax").graph for n in (networks[0], *networks))
    assert first == again != other


def test_an_interrupt_during_the_last_sample_is_not_swallowed(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, count = tmp_path / "c.npz", find_ranges._count

    def interrupted(*arguments: Any) -> None:
        count(*arguments)
        if arguments[1]["image"][0, 0, 0, 0] == -1:
            os.kill(os.getpid(), signal.SIGINT)

    samples = images(3)
    samples[2]["images"] = samples[2]["images"].copy()
    samples[2]["images"][0, 0, 0, 0] = -1
    monkeypatch.setattr(find_ranges, "_count", interrupted)
    with pytest.raises(KeyboardInterrupt):
        calibrate(model, samples, cache=cache)
    assert load_tally(cache).runs == 3
