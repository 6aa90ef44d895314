"""device.py: which code a GPU runs."""

from __future__ import annotations

import pytest

from burnish.devices.cuda import Cuda
from burnish.devices.null.processor import null_cuda
from burnish.errors import EnvironmentProblem
from burnish.target import ARCHITECTURES, Target


@pytest.mark.parametrize(
    ("capability", "runs"),
    [
        ((7, 5), {"sm_75"}),
        ((7, 0), set()),
        ((8, 0), {"sm_80"}),
        ((8, 6), {"sm_80"}),
        ((8, 9), {"sm_80", "sm_89"}),
        ((9, 0), {"sm_90a"}),
        ((10, 0), {"sm_100"}),
        ((10, 3), set()),
        ((12, 0), {"sm_120"}),
    ],
)
def test_code_runs_on_its_own_generation_from_its_own_chip_on(capability: tuple[int, int], runs: set[str]):
    device, _ = null_cuda(capability)
    assert {a for a in ARCHITECTURES if not device.missing(Target("cuda", a))} == runs
    assert device.missing(Target("cpu", "x86-64-v2")) == ["a cpu device"]


def test_what_is_missing_says_which_gpu_this_is():
    device, _ = null_cuda((8, 6))
    (need,) = device.missing(Target("cuda", "sm_90a"))
    assert need == "a GPU for sm_90a (this one is null, compute capability 8.6, driver for CUDA 13)"


def test_the_target_of_a_gpu_is_the_best_that_it_runs():
    assert str(null_cuda((8, 9))[0].target) == "cuda:sm_89"
    assert null_cuda(number=1)[0].name == "cuda:1"
    with pytest.raises(EnvironmentProblem, match="E501"):
        _ = null_cuda((6, 1))[0].target


def test_without_a_gpu_its_absence_has_a_code():
    with pytest.raises(EnvironmentProblem) as caught:
        Cuda()
    assert caught.value.code in ("E833", "E834", "E835")
