"""Numbers and names as TensorRT has them, and as scripts use them."""

from __future__ import annotations

import pytest

import burnish.tensorrt as trt
from burnish.tensorrt import enums


@pytest.mark.parametrize(
    ("member", "number"),
    [
        (trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH, 0),
        (trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED, 1),
        (trt.BuilderFlag.FP16, 0),
        (trt.BuilderFlag.INT8, 1),
        (trt.BuilderFlag.BF16, 17),
        (trt.BuilderFlag.STRICT_NANS, 24),
        (trt.ActivationType.GELU_TANH, 13),
        (trt.ElementWiseOperation.LESS, 13),
        (trt.UnaryOperation.ISNAN, 24),
        (trt.LayerType.CUMULATIVE, 49),
        (trt.LayerType.SCATTER, 37),
        (trt.MemoryPoolType.WORKSPACE, 0),
        (trt.DataType.INT64, 8),
        (trt.DataType.BF16, 7),
        (trt.TensorFormat.DHWC, 12),
        (trt.SampleMode.REFLECT, 4),
        (trt.ErrorCode.REFIT_FAILED, 14),
        (trt.CalibrationAlgoType.MINMAX_CALIBRATION, 3),
        (trt.ILogger.Severity.VERBOSE, 4),
    ],
)
def test_a_member_has_tensorrts_number(member: enums.TensorRTEnum, number: int) -> None:
    assert int(member) == number
    assert 1 << int(member) == member.bit


def test_a_member_prints_as_tensorrts_does() -> None:
    assert str(trt.BuilderFlag.FP16) == "BuilderFlag.FP16"
    assert trt.BuilderFlag.FP16.name == "FP16"


def test_names_of_tensorrt_8_are_aliases_where_they_mean_the_same() -> None:
    assert trt.SampleMode.DEFAULT is trt.SampleMode.STRICT_BOUNDS
    assert trt.ProfilingVerbosity.VERBOSE is trt.ProfilingVerbosity.DETAILED


def test_every_enumeration_is_exported() -> None:
    found = {n for n, v in vars(enums).items() if isinstance(v, type) and issubclass(v, enums.TensorRTEnum)}
    assert found == set(enums.__all__)
