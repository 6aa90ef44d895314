"""An engine tells its tensors, profiles and layers; runtimes load plans and refuse what is none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import burnish
import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.tensorrt.enums import LayerInformationFormat
from tests.tensorrt.built import small_engine, small_plan
from tests.tensorrt.run_network import Quiet

DIGITS = Path(__file__).parents[2] / "examples" / "digits.onnx"


def test_tensors_by_name_and_index() -> None:
    engine = small_engine()
    assert engine.num_io_tensors == 2
    assert [engine.get_tensor_name(i) for i in range(2)] == ["x", "y"]
    assert engine.get_tensor_mode("x") is trt.TensorIOMode.INPUT
    assert engine.get_tensor_mode("y") is trt.TensorIOMode.OUTPUT
    assert engine.get_tensor_shape("x") == (-1, 3) == engine.get_tensor_shape("y")
    assert engine.get_tensor_dtype("y") is trt.float32
    assert engine.get_tensor_bytes_per_component("x") == 4 and engine.get_tensor_components_per_element("x") == 1
    assert engine.get_tensor_format("x") is trt.TensorFormat.LINEAR and "f32" in engine.get_tensor_format_desc("x")
    assert engine.get_tensor_location("x") is trt.TensorLocation.DEVICE and engine.get_tensor_vectorized_dim("x") == -1
    assert not engine.is_shape_inference_io("x") and not engine.is_debug_tensor("x")
    with pytest.raises(UserError, match=r"E654.*no tensor 'z'"):
        engine.get_tensor_shape("z")
    with pytest.raises(UserError, match="E654"):
        engine.get_tensor_name(2)


def test_bindings_of_tensorrt_8() -> None:
    engine = small_engine()
    assert len(engine) == engine.num_bindings == 2 and list(engine) == ["x", "y"]
    assert engine[0] == "x" and engine["y"] == 1 and engine.get_binding_index("z") == -1
    assert engine.binding_is_input(0) and not engine.binding_is_input("y")
    assert engine.get_binding_shape("x") == (-1, 3) and engine.get_binding_dtype(1) is trt.float32
    assert engine.get_binding_name(1) == "y" and engine.get_location(0) is trt.TensorLocation.DEVICE
    assert engine.is_execution_binding(0) and not engine.is_shape_binding(0)
    assert engine.get_binding_format(0) is trt.TensorFormat.LINEAR
    assert engine.get_profile_shape(0, "x") == [(1, 3), (1, 3), (2, 3)]


def test_profiles_keep_their_own_shapes() -> None:
    engine = small_engine()
    assert engine.num_optimization_profiles == 2
    assert engine.get_tensor_profile_shape("x", 0) == [(1, 3), (1, 3), (2, 3)]
    assert engine.get_tensor_profile_shape("x", 1) == [(2, 3), (3, 3), (4, 3)]
    with pytest.raises(UserError, match=r"E654.*2 optimization profiles"):
        engine.get_tensor_profile_shape("x", 2)
    with pytest.raises(UserError, match=r"E654.*only inputs"):
        engine.get_tensor_profile_shape("y", 0)


def test_a_plan_that_burnish_built_is_an_engine_too() -> None:
    plan = burnish.build(str(DIGITS), profile={"image": ((1, 1, 8, 8), (2, 1, 8, 8), (4, 1, 8, 8))})
    engine = trt.Runtime(Quiet()).deserialize_cuda_engine(plan.to_bytes())
    assert engine is not None
    assert engine.get_tensor_profile_shape("image", 0) == [(1, 1, 8, 8), (2, 1, 8, 8), (4, 1, 8, 8)]
    assert engine.num_optimization_profiles == 1 and engine.name == "digits"


def test_an_engine_serializes_to_the_bytes_it_came_from() -> None:
    assert small_engine().serialize() == small_plan()


def test_what_an_engine_says_of_itself() -> None:
    engine = small_engine()
    assert engine.name == "small" and engine.num_layers >= 1 and engine.device_memory_size >= 0
    assert engine.get_device_memory_size_for_profile(0) == engine.device_memory_size
    assert engine.profiling_verbosity is trt.ProfilingVerbosity.DETAILED
    assert engine and not engine.refittable


def test_the_inspector_names_every_layer_and_its_nodes() -> None:
    engine = small_engine()
    inspector = engine.create_engine_inspector()
    found = json.loads(inspector.get_engine_information(LayerInformationFormat.JSON))
    assert found["Bindings"] == ["x", "y"] and len(found["Layers"]) == engine.num_layers
    assert any("gate/Relu" in layer["Nodes"] for layer in found["Layers"])
    lines = inspector.get_engine_information(LayerInformationFormat.ONELINE)
    assert len(lines.splitlines()) == engine.num_layers
    assert json.loads(inspector.get_layer_information(0, LayerInformationFormat.JSON)) == found["Layers"][0]
    with pytest.raises(UserError, match=r"E654.*is not one of them"):
        inspector.get_layer_information(99, LayerInformationFormat.JSON)


@pytest.mark.parametrize("content", [b"", b"not a plan", small_plan()[:-1], small_plan()[:100], None, 5])
def test_what_is_no_plan_is_logged_and_answers_none(content: Any) -> None:
    logger = Quiet()
    assert trt.Runtime(logger).deserialize_cuda_engine(content) is None
    assert logger.messages[-1][0] == "ERROR"


def test_a_runtimes_threads_are_what_contexts_use() -> None:
    runtime = trt.Runtime(Quiet())
    runtime.max_threads = 1
    engine = runtime.deserialize_cuda_engine(small_plan())
    assert engine is not None and engine.engine.threads == 1
    assert runtime.load_runtime("elsewhere") is runtime


def test_a_script_that_only_runs_a_plan_imports_no_compiler(tmp_path: Path) -> None:
    (tmp_path / "small.engine").write_bytes(small_plan())
    script = """
import sys, numpy as np
import burnish.tensorrt as trt
trt.init_libnvinfer_plugins(None, "")
engine = trt.Runtime(trt.Logger(trt.Logger.WARNING)).deserialize_cuda_engine(open("small.engine", "rb").read())
context = engine.create_execution_context()
x, y = np.full((1, 3), -2, np.float32), np.zeros((1, 3), np.float32)
context.set_input_shape("x", x.shape)
assert context.execute_v2([x.ctypes.data, y.ctypes.data]) and (y == 1).all()
built = ("onnx", "onnx_ir", "llvmlite.ir", "burnish.building", "burnish.lower", "burnish.ops", "burnish.targets")
print([name for name in built if name in sys.modules])
assert trt.Builder.__name__ == "Builder" and "burnish.tensorrt.builder" in sys.modules
"""
    environment = {**os.environ, "PYTHONPATH": str(DIGITS.parents[1])}
    command = [sys.executable, "-W", "error", "-c", script]
    found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (found.stdout.strip(), found.returncode) == ("[]", 0), found.stderr
