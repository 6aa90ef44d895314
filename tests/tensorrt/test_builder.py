"""Building: what fails is logged and answers None; what is not there yet is said; progress can stop a build."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.plan import read
from tests.tensorrt.built import expected, profile_of, small_network
from tests.tensorrt.run_network import Quiet, random


def build(network: Any = None, **settings: Any) -> tuple[trt.IHostMemory | None, Quiet]:
    logger = Quiet()
    builder = trt.Builder(logger)
    config = builder.create_builder_config()
    config.add_optimization_profile(profile_of(builder, 1, 2, 4))
    for name, value in settings.items():
        setattr(config, name, value)
    return builder.build_serialized_network(network or small_network(builder), config), logger


def test_the_plan_is_bytes_with_a_size_and_a_buffer() -> None:
    plan, _ = build()
    assert plan is not None
    assert plan.nbytes == len(plan) == memoryview(plan).nbytes > 1000
    assert plan.dtype is trt.int8
    with plan as same:
        assert same is plan


def test_two_builds_give_the_same_bytes() -> None:
    assert build()[0] == build()[0]


def test_a_dynamic_input_without_a_profile_is_logged_and_answers_none() -> None:
    logger = Quiet()
    builder = trt.Builder(logger)
    assert builder.build_serialized_network(small_network(builder), builder.create_builder_config()) is None
    assert builder.build_engine(small_network(builder), builder.create_builder_config()) is None
    severity, text = logger.messages[-1]
    assert severity == "ERROR" and "E653" in text and "'x' (-1, 3) is dynamic" in text


def test_a_profile_that_does_not_fit_the_network_is_logged() -> None:
    logger = Quiet()
    builder = trt.Builder(logger)
    config, profile = builder.create_builder_config(), builder.create_optimization_profile()
    profile.set_shape("x", (1, 4), (1, 4), (1, 4))
    config.add_optimization_profile(profile)
    assert builder.build_serialized_network(small_network(builder), config) is None
    assert "cannot vary" in logger.messages[-1][1]


def test_a_profile_whose_shapes_are_no_range_is_refused() -> None:
    profile = trt.Builder(Quiet()).create_optimization_profile()
    for shapes in (((2,), (1,), (3,)), ((1,), (2, 2), (3,))):
        with pytest.raises(UserError, match=r"E653.*are no range"):
            profile.set_shape("x", *shapes)
    assert not profile and profile.get_shape("x") == [] and profile.get_shape_input("x") == []
    profile.set_shape("x", (1,), (2,), (3,))
    assert profile and profile.get_shape("x") == [(1,), (2,), (3,)]


def test_a_failing_build_reaches_the_error_recorder() -> None:
    class Recorder(trt.IErrorRecorder):
        def report_error(self, code: int, desc: str) -> bool:
            found.append(code)
            return True

    found: list[int] = []
    builder = trt.Builder(Quiet())
    builder.error_recorder = Recorder()
    assert builder.build_serialized_network(builder.create_network(), builder.create_builder_config()) is None
    assert not builder.is_network_supported(builder.create_network(), builder.create_builder_config())
    assert found == [652, 652]


@pytest.mark.parametrize("flag", ["INT4", "REFIT"])
def test_a_flag_that_is_not_there_yet_is_warned_of(flag: str) -> None:
    plan, logger = build(flags=trt.BuilderFlag[flag].bit)
    assert plan is not None
    assert any(s == "WARNING" and f"BuilderFlag.{flag} is not there yet" in m for s, m in logger.messages)


@pytest.mark.parametrize("flag", ["FP16", "BF16"])
def test_a_precision_flag_narrows_the_plan(flag: str) -> None:
    plan, logger = build(flags=trt.BuilderFlag[flag].bit)
    assert plan is not None
    assert not any(s == "WARNING" for s, _ in logger.messages)
    runtime = trt.Runtime(Quiet())
    assert runtime.deserialize_cuda_engine(plan) is not None


def test_layer_precisions_and_unused_calibrators_are_warned_of() -> None:
    builder = trt.Builder(Quiet())
    network = small_network(builder)
    network[0].precision = trt.float16
    plan, logger = build(network, int8_calibrator=trt.IInt8EntropyCalibrator2())
    assert plan is not None
    warnings = [m for s, m in logger.messages if s == "WARNING"]
    assert len(warnings) == 2 and "int8_calibrator" in warnings[0] and "(gate)" in warnings[1]


def test_the_workspace_bounds_a_tactic_and_not_the_activations() -> None:
    builder = trt.Builder(Quiet())
    network = builder.create_network()
    x = network.add_input("x", trt.float32, (1, 64, 64, 64))
    first = network.add_convolution_nd(x, 64, (3, 3), random(64, 64, 3, 3))
    second = network.add_convolution_nd(first.get_output(0), 64, (3, 3), random(64, 64, 3, 3))
    network.mark_output(second.get_output(0))
    config = builder.create_builder_config()
    config.max_workspace_size = 1 << 12
    assert config.get_memory_pool_limit(trt.MemoryPoolType.WORKSPACE) == 1 << 12
    limited = builder.build_serialized_network(network, config)
    assert limited is not None
    config.max_workspace_size = 1 << 30
    free = builder.build_serialized_network(network, config)
    kernels = [[x.kernel for x in read(bytes(p)).manifest.variants[0].launches] for p in (limited, free)]
    assert kernels[0].count("Contraction") == 2 and kernels[1].count("Chain") == 2  # Winograd, strip by strip
    assert "does without Winograd's" in " ".join(read(bytes(limited)).manifest.notes)


class Monitor(trt.IProgressMonitor):
    def __init__(self, stop_at: int = -1) -> None:
        trt.IProgressMonitor.__init__(self)
        self.calls: list[Any] = []
        self.stop_at = stop_at

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        self.calls.append(("start", num_steps))

    def step_complete(self, phase_name: str, step: int) -> bool:
        self.calls.append(step)
        return step != self.stop_at

    def phase_finish(self, phase_name: str) -> None:
        self.calls.append("finish")


def test_a_progress_monitor_sees_every_step() -> None:
    monitor = Monitor()
    plan, _ = build(progress_monitor=monitor)
    assert plan is not None
    (_, steps), *numbers, last = monitor.calls
    assert numbers == list(range(steps)) and last == "finish"


def test_a_progress_monitor_that_answers_false_stops_the_build() -> None:
    monitor = Monitor(stop_at=2)
    plan, logger = build(progress_monitor=monitor)
    assert plan is None
    assert monitor.calls[-2:] == [2, "finish"] and "E657" in logger.messages[-1][1]


def test_build_cuda_engine_of_tensorrt_7_takes_its_limit_from_the_builder() -> None:
    x = random(2, 3)
    builder = trt.Builder(Quiet())
    builder.max_workspace_size = 1 << 20
    assert builder.max_workspace_size == 1 << 20
    network = small_network(builder)
    first = network.get_input(0)
    assert first is not None
    first.shape = (2, 3)
    engine = builder.build_cuda_engine(network)
    assert engine is not None
    y = np.empty_like(x)
    assert engine.create_execution_context().execute_v2([x.ctypes.data, y.ctypes.data])
    np.testing.assert_allclose(y, expected(x), rtol=1e-6)
    builder.reset()
    assert builder.max_workspace_size == 0


def test_builder_and_runtime_have_no_plugins_and_say_so() -> None:
    for thing in (trt.Builder(Quiet()), trt.Runtime(Quiet())):
        with pytest.raises(UserError, match="E656"):
            thing.get_plugin_registry()
    assert trt.init_libnvinfer_plugins(Quiet(), "") and trt.init_libnvinfer_plugins()
