"""The runtime on a GPU: arrays in and out, graphs, memory given back, failures with codes."""

from __future__ import annotations

import gc
import os
import pickle
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.devices.cuda import Cuda, DeviceArray
from burnish.plan import Plan
from burnish.plan.manifest import KernelStep, PointerArgument
from burnish.runtime import Engine, load

WIDTH = 96
RANDOM = np.random.default_rng(5)
FIRST, SECOND = (RANDOM.standard_normal((WIDTH, WIDTH)).astype(np.float32) / 10 for _ in range(2))
X = RANDOM.standard_normal((40, WIDTH)).astype(np.float32)


def model() -> onnx.ModelProto:
    """y = softmax(x @ FIRST) @ SECOND; x is f32[n,96]."""
    weights = [numpy_helper.from_array(FIRST, "first"), numpy_helper.from_array(SECOND, "second")]
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"], "a"),
        helper.make_node("Softmax", ["a"], ["b"], "b", axis=-1),
        helper.make_node("MatMul", ["b", "second"], ["y"], "y"),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", WIDTH]) for name in "xy"]
    graph = helper.make_graph(nodes, "three", infos[:1], infos[1:], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def wanted(x: np.ndarray) -> np.ndarray:
    a = x.astype(np.float64) @ FIRST
    e = np.exp(a - a.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True) @ SECOND


def is_right(got: np.ndarray, x: np.ndarray) -> bool:
    return bool(np.allclose(got, wanted(x), rtol=0, atol=2e-6))


@pytest.fixture(scope="module")
def plan() -> Plan:
    return burnish.build(model(), profile={"x": ((1, WIDTH), (40, WIDTH), (200, WIDTH))}, target="cuda")


@pytest.fixture
def engine(plan: Plan):
    with load(plan) as engine:
        yield engine


def test_the_gpu_is_what_a_plan_for_it_runs_on(engine: Engine):
    assert engine.device.name == "cuda:0"


def test_numpy_in_and_out_eagerly_captured_and_replayed(engine: Engine):
    for rows in (40, 1, 200, 40, 40, 200, 40, 1, 1):
        x = RANDOM.standard_normal((rows, WIDTH)).astype(np.float32)
        assert is_right(engine(x=x)["y"], x)
    mine = np.zeros_like(X)
    assert engine({"x": X}, out={"y": mine})["y"] is mine and is_right(mine, X)


def test_torch_in_and_out_without_copies(engine: Engine):
    torch = pytest.importorskip("torch")
    with engine.create_context() as context:
        x, y = torch.from_numpy(X).cuda(), torch.zeros(X.shape, device="cuda")
        for _ in range(3):
            y.zero_()
            context({"x": x}, out={"y": y})
            assert is_right(y.cpu().numpy(), X)
        result = context({"x": x}, on_device=True)["y"]
        shared = torch.from_dlpack(result)
        assert isinstance(result, DeviceArray) and shared.data_ptr() == result.address
        assert torch.as_tensor(result, device="cuda").data_ptr() == result.address
        assert is_right(shared.cpu().numpy(), X) and is_right(result.numpy(), X)
        with pytest.raises(burnish.UserError, match="E507"):
            context(x=torch.zeros(40, 2 * WIDTH, device="cuda")[:, ::2])
        shifted = torch.zeros(X.size + 1, device="cuda")[1:].view(X.shape)
        shifted.copy_(x)
        assert is_right(context(x=shifted)["y"], X)


def test_order_is_kept_with_streams_of_torch(engine: Engine):
    torch = pytest.importorskip("torch")
    with engine.create_context() as context, torch.cuda.stream(torch.cuda.Stream()):
        torch.cuda._sleep(50_000_000)
        x = torch.from_numpy(X).cuda() * 2 / 2
        pending = context.enqueue({"x": x}, on_device=True)
        found = torch.from_dlpack(pending.outputs["y"]) + 0
        assert is_right(found.cpu().numpy(), X)
        pending.wait()


def test_callers_in_many_threads_get_their_own_answers(plan: Plan):
    wrong: list[int] = []

    def call(seed: int) -> None:
        x = np.random.default_rng(seed).standard_normal((20 + seed, WIDTH)).astype(np.float32)
        wrong.extend(seed for _ in range(20) if not is_right(engine(x=x)["y"], x))

    with load(plan, contexts=3) as engine:
        callers = [threading.Thread(target=call, args=(seed,)) for seed in range(8)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert wrong == []


def test_a_thousand_loads_leave_nothing_behind(plan: Plan):
    driver = Cuda().driver

    def cycle() -> None:
        with load(plan) as engine:
            engine(x=X)
            engine(x=X)

    cycle()
    gc.collect()
    with driver.current():
        before = driver.memory()[0]
        for _ in range(1000):
            cycle()
        assert abs(driver.memory()[0] - before) < 8 << 20


def test_too_large_an_arena_is_refused_and_the_gpu_goes_on(plan: Plan):
    (variant,) = plan.manifest.variants
    large = replace(plan.manifest, variants=(replace(variant, arena_bytes=1 << 43),))
    with load(Plan(large, plan.blobs)) as engine, pytest.raises(burnish.EnvironmentProblem, match="E520"):
        engine(x=X)
    with load(plan) as engine:
        assert is_right(engine(x=X)["y"], X)


def test_a_damaged_cubin_is_refused(plan: Plan):
    cubins = {s.code for s in plan.manifest.variants[0].steps if isinstance(s, KernelStep)}
    with pytest.raises(burnish.InternalError, match="E531"):
        load(Plan(plan.manifest, {**plan.blobs, **dict.fromkeys(cubins, b"\x7fELF" + bytes(1000))}))


def test_launches_are_timed(engine: Engine):
    with engine.create_context() as context:
        layers = context.profile({"x": X})
        times = context.time({"x": X}, 50)
    assert all(0 <= layer.ms < 1 for layer in layers) and any(layer.ms > 0 for layer in layers)
    assert 0 < np.median(times) < 1


def run(script: str, plan: Plan, folder: Path) -> str:
    plan.save(folder / "a.plan")
    np.save(folder / "x.npy", X)
    prelude = """
        import os, sys
        import numpy as np
        import burnish
        x = np.load("x.npy")
    """
    command = [sys.executable, "-c", textwrap.dedent(prelude) + textwrap.dedent(script)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_plan_runs_where_torch_and_triton_are_not_imported(plan: Plan, tmp_path: Path):
    script = """
        for name in ("torch", "triton", "onnx", "onnx_ir", "llvmlite"):
            sys.modules[name] = None
        with burnish.load("a.plan", device="cuda") as engine:
            print(engine(x=x)["y"].shape)
    """
    assert run(script, plan, tmp_path) == f"(40, {WIDTH})"


def test_a_forked_process_is_told_so(plan: Plan, tmp_path: Path):
    script = """
        engine = burnish.load("a.plan")
        engine(x=x)
        if os.fork():
            sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
        try:
            engine(x=x)
        except burnish.BurnishError as error:
            print(error.code, flush=True)
        os._exit(0)
    """
    assert run(script, plan, tmp_path) == "E836"


def test_a_lost_gpu_is_told_so_again_and_again(plan: Plan, tmp_path: Path):
    """A kernel that writes far outside loses the process its GPU; so in a process of its own."""
    (variant,) = plan.manifest.variants
    (first, *rest) = variant.steps
    assert isinstance(first, KernelStep)
    far = [replace(a, offset=1 << 46) if isinstance(a, PointerArgument) else a for a in first.arguments]
    steps = (replace(first, arguments=tuple(far)), *rest)
    bad = replace(plan.manifest, variants=(replace(variant, steps=steps),))
    script = """
        import pickle
        from burnish.plan import Plan, read
        plan = read("a.plan")
        engine = burnish.load(Plan(pickle.load(open("bad", "rb")), plan.blobs))
        for _ in range(2):
            try:
                engine(x=x)
            except burnish.BurnishError as error:
                print(error.code)
        engine.close()
    """
    (tmp_path / "bad").write_bytes(pickle.dumps(bad))
    assert run(script, plan, tmp_path).split() == ["E524", "E524"]
