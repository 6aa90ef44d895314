"""A run on a GPU that is more than launches: reference steps, branches, sizes that data decides; times of launches."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.devices.cuda import DeviceArray
from burnish.devices.null.processor import null_cuda
from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.plan.manifest import BranchStep, FailStep, ReferenceStepSpec, StorageSpec, SymbolRange, TensorSpec
from burnish.runtime import load
from tests.devices.cuda.plans import N, W, in_numpy, kernel, small_plan
from tests.targets.cpu.programs import Maker

X = np.linspace(-1, 1, 64, dtype=np.float32)
BOOL, I64 = DType.BOOL, DType.I64


def model(op_type: str, inputs: list[TensorSpec], outputs: list[TensorSpec]) -> bytes:
    """A one-node ONNX model, as a plan carries it."""
    m = Maker()
    ref = lambda t: m.ref(t.name, t.storage, t.shape, t.dtype)
    m.reference(op_type, [ref(t) for t in inputs], [ref(t) for t in outputs])
    return m.steps[0].model  # type: ignore[union-attr]


def with_reference() -> Plan:
    """y = (-(2 * x)) + w, the Neg on the reference kernel."""
    t, u = TensorSpec("t", DType.F32, (N,), 3), TensorSpec("u", DType.F32, (N,), 4)
    step = ReferenceStepSpec("/Neg", "Neg", "model", (t,), (u,), 2)
    plan = small_plan([kernel("double", 0, 3), step, kernel("add", 4, 2, 1, launch=1)])
    variant = plan.manifest.variants[0]
    storages = (*variant.storages, StorageSpec(4, "arena", N * 4, offset=640))
    plan = small_plan(variant.steps, storages=storages, arena_bytes=1280)
    return Plan(plan.manifest, {**plan.blobs, "model": model("Neg", [t], [u])})


def test_a_reference_step_between_launches_sees_and_leaves_what_the_gpu_holds():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(with_reference(), device=device) as engine, engine.create_context() as context:
        for x in (X, X[:3], X, X, X):
            assert np.array_equal(context(x=x)["y"], W[: len(x)] - 2 * x)
        result = context({"x": X}, on_device=True)["y"]
        assert isinstance(result, DeviceArray) and np.array_equal(result.numpy(), W[:64] - 2 * X)
        assert driver.counts["begin_capture"] == 0, "one launch at a time needs no graph"
        double, neg, add = None, None, None
        for layer in context.profile({"x": X}):
            double, neg, add = neg, add, layer
        assert (double.ms, neg.ms) == (1.0, 1.0) and add.ms > 0  # type: ignore[union-attr]
        with pytest.raises(UserError, match="E517"):
            context.time({"x": X})


def test_launches_of_a_plan_are_timed_one_by_one_and_together():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        layers = context.profile({"x": X})
        assert [(layer.name, layer.ms, layer.flops) for layer in layers[:2]] == [("double", 1.0, 64), ("add", 1.0, 64)]
        assert context.time({"x": X}, 5) == [2.0] * 5
        assert np.array_equal(context(x=X)["y"], 2 * X + W[:64])
    assert not +driver.held


def test_a_graph_that_was_timed_is_timed_again_until_shapes_change():
    device, driver = null_cuda(on_launch=in_numpy)
    with load(small_plan(), device=device) as engine, engine.create_context() as context:
        y = device.upload(np.zeros(64, np.float32))
        context({"x": device.upload(X)}, out={"y": y})
        for _ in range(3):
            assert context.time(None, 4) == [2.0] * 4
        assert (driver.counts["begin_capture"], driver.counts["prepare"]) == (1, 2)
        x = device.upload(X[:3])
        context({"x": x}, out={"y": y.part(0, 3)})
        assert context.time(None, 2) == [2.0] * 2
        assert (driver.counts["begin_capture"], driver.counts["destroy_graph"]) == (2, 1)
        assert np.array_equal(y.numpy()[:3], 2 * X[:3] + W[:3])
        del x, y
    assert not +driver.held


def branching() -> Plan:
    """y = 2 * x if c else x * x."""
    sides = (kernel("double", 0, 1),), (kernel("square", 0, 1, launch=1),)
    storages = (StorageSpec(0, "input", N * 4), StorageSpec(1, "output", N * 4), StorageSpec(2, "input", 1))
    inputs = (TensorSpec("x", DType.F32, (N,), 0), TensorSpec("c", BOOL, (), 2))
    fail = BranchStep(2, (), (FailStep("/If", "it does not fit"),))
    steps = (BranchStep(2, *sides), fail)
    return small_plan(steps, storages=storages, inputs=inputs, arena_bytes=0, zero_bytes=0)


def test_a_condition_on_the_gpu_is_read_back():
    device, _ = null_cuda(on_launch=in_numpy)
    with load(branching(), device=device) as engine:
        assert np.array_equal(engine(x=X, c=np.array(True))["y"], 2 * X)
        with pytest.raises(UserError, match="E515"):
            engine(x=X, c=np.array(False))
        assert np.array_equal(engine(x=X, c=np.array(True))["y"], 2 * X)


def nonzero() -> Plan:
    """places = NonZero(x); y = square(Compress(x, keep))."""
    found = symbol("found")
    x, keep = TensorSpec("x", DType.F32, (N,), 0), TensorSpec("keep", BOOL, (N,), 1)
    places, kept = TensorSpec("places", I64, (1, found), 2), TensorSpec("kept", DType.F32, (found,), 3)
    y = TensorSpec("y", DType.F32, (found,), 4)
    storages = (
        StorageSpec(0, "input", N * 4),
        StorageSpec(1, "input", N),
        StorageSpec(2, "dynamic", found * 8),
        StorageSpec(3, "dynamic", found * 4),
        StorageSpec(4, "dynamic", found * 4),
    )
    steps = (
        ReferenceStepSpec("/NonZero", "NonZero", "a", (x,), (places,), 0),
        ReferenceStepSpec("/Compress", "Compress", "b", (x, keep), (kept,), 1),
        kernel("square", 3, 4, n=found, launch=2),
    )
    symbols = (SymbolRange("n", 1, 64, 128), SymbolRange("found", 0, 0, 0, from_data=True))
    plan = small_plan(
        steps, storages=storages, arena_bytes=0, zero_bytes=0, symbols=symbols, inputs=(x, keep), outputs=(places, y)
    )
    blobs = {"a": model("NonZero", [x], [places]), "b": model("Compress", [x, keep], [kept])}
    return Plan(plan.manifest, {**plan.blobs, **blobs})


@pytest.mark.parametrize("on_device", [False, True])
def test_sizes_that_data_decides_are_found_anew_in_every_run(on_device: bool):
    device, driver = null_cuda(on_launch=in_numpy)
    rows = np.array([0, 3, 0, -2, 5, 0], np.float32)
    with load(nonzero(), device=device) as engine:
        for x in (rows, rows[:1], rows[:5], rows):
            found = engine({"x": x, "keep": x != 0}, on_device=on_device)
            places, y = (a.numpy() if isinstance(a, DeviceArray) else a for a in (found["places"], found["y"]))
            assert np.array_equal(places[0], np.flatnonzero(x)) and np.array_equal(y, x[x != 0] ** 2)
        mine = np.zeros(3, np.float32)
        assert engine({"x": rows, "keep": rows != 0}, out={"y": mine})["y"] is mine
        assert np.array_equal(mine, [9, 4, 25])
        del found
    assert not +driver.held and driver.counts["begin_capture"] == 0


def test_the_same_tensor_may_be_two_outputs_and_a_constant_may_be_one():
    y, w = TensorSpec("y", DType.F32, (N,), 1), TensorSpec("fixed", DType.F32, (128,), 2)
    outputs = (y, TensorSpec("again", DType.F32, (N,), 1), w)
    device, _ = null_cuda(on_launch=in_numpy)
    with load(small_plan(outputs=outputs), device=device) as engine:
        found = engine(x=X)
    assert list(found) == ["y", "again", "fixed"]
    assert np.array_equal(found["again"], found["y"]) and not np.shares_memory(found["again"], found["y"])
    assert np.array_equal(found["fixed"], W)
