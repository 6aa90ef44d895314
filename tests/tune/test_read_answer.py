"""answer.py: what of a candidate's answer is seen."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from burnish.devices.cpu.device import Cpu
from burnish.devices.null.processor import null_cuda
from burnish.errors import BurnishError
from burnish.tune.read_answer import PIECE, PIECES, Answers, pieces

COUNT = 3 * PIECES * PIECE + 17


def trial(count: int) -> Any:
    """One input, one output of f16."""
    held = np.arange(count, dtype=np.uint16).view(np.uint8)
    written = [("y", np.dtype(np.float16))]
    return SimpleNamespace(inputs={"x": np.arange(8, dtype=np.uint8)}, outputs={"y": held}, written=written)


class Writes:
    """A context that puts 1.0 into the elements from `first` on."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __call__(self, inputs: Mapping[str, Any], out: Mapping[str, Any]) -> None:
        y = out["y"]
        ones = np.ones(y.nbytes // 2 - self.first, np.float16).view(np.uint8)
        if isinstance(y, np.ndarray):
            y[2 * self.first :] = ones
        else:
            y.part(2 * self.first, y.nbytes).fill(ones)


def test_small_outputs_are_seen_whole_and_large_ones_from_the_first_to_the_last() -> None:
    assert pieces(PIECES * PIECE) == [(0, PIECES * PIECE)]
    found = pieces(COUNT)
    assert len(found) == PIECES and (found[0][0], found[-1][1]) == (0, COUNT)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))
    assert {stop - start for start, stop in found} == {PIECE}


@pytest.mark.parametrize("device", [Cpu(), null_cuda()[0]], ids=["cpu", "cuda"])
@pytest.mark.parametrize("count", [100, COUNT])
def test_what_a_candidate_does_not_write_is_not_taken_from_the_one_before(device: Any, count: int) -> None:
    this = trial(count)
    with Answers(this) as answers:
        answers.upload(device)
        all_of_it, half = answers.of(Writes(0)), answers.of(Writes(count // 2))  # type: ignore[arg-type]
    assert [(len(a), a.dtype) for a in (*all_of_it, *half)] == [(min(count, PIECES * PIECE), np.float16)] * 2
    assert (all_of_it[0] == 1).all()
    assert (half[0][-1], half[0].view(np.uint16)[:5].tolist()) == (1, [0, 1, 2, 3, 4])
    assert np.array_equal(this.outputs["y"].view(np.uint16), np.arange(count, dtype=np.uint16))


def test_the_devices_memory_is_free_afterwards() -> None:
    device, driver = null_cuda()
    with Answers(trial(100)) as answers:
        answers.upload(device)
        assert driver.held["allocate"] == 2
    assert driver.held["allocate"] == 0
    failing, driver = null_cuda(faults={"allocate": 2})
    with pytest.raises(BurnishError) as caught, Answers(trial(100)) as answers:
        answers.upload(failing)
    assert driver.held["allocate"] == 0 and caught.value.code == "E520"
