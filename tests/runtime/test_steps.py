"""steps.py, reference.py, layout.py: reference steps, branches, and sizes that data decides."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import EnvironmentProblem, InternalError, UserError
from burnish.plan import Plan
from burnish.reference import evaluator as evaluator_module
from burnish.runtime import load
from burnish.runtime import reference as reference_module
from tests.targets.cpu.programs import Maker

I64, BOOL = DType.I64, DType.BOOL
X = np.array([0, 3, 0, -2, 5, 0], np.float32)


def nonzero_plan(spread: bool = False) -> Plan:
    """places = NonZero(x); doubled = 2 * Compress(x, x != 0): sizes that only the data knows."""
    n, found = symbol("n"), symbol("found")
    m = Maker(n, {"n": (1, 6, 100), "found": (0, 1, 0)})
    x, keep = m.input("x"), m.input("keep", (n,), BOOL)
    places = m.output("places", (1, found), I64, kind="dynamic")
    kept = m.storage("dynamic", (found,))
    doubled = m.output("doubled", (found,), kind="dynamic")
    m.reference("NonZero", [m.ref("x", x)], [m.ref("places", places, (1, found), I64)])
    inputs = [m.ref("x", x), m.ref("keep", keep, (n,), BOOL)]
    m.reference("Compress", inputs, [m.ref("kept", kept, (found,))], axis=0)
    m.pointwise(lambda a: a + a, kept, doubled, n=found)
    return m.plan(spread=spread, from_data=("found",))


@pytest.mark.parametrize("threads", [1, 2])
def test_sizes_that_data_decides_are_found_anew_in_every_run(threads: int):
    with load(nonzero_plan(spread=True), threads=threads) as engine:
        assert engine.output_shapes({"x": (6,), "keep": (6,)}) == {"places": None, "doubled": None}
        kept = []
        for x in (X, X[:1], X[:5], X):
            found = engine(x=x, keep=x != 0)
            assert np.array_equal(found["places"][0], np.flatnonzero(x))
            assert np.array_equal(found["doubled"], 2 * x[x != 0])
            kept.append((found["doubled"], 2 * x[x != 0]))
        for result, expected in kept:  # results of earlier runs are the caller's
            assert np.array_equal(result, expected)


def test_a_buffer_for_an_output_of_unknown_size_must_fit_what_comes():
    with load(nonzero_plan(), threads=1) as engine:
        mine = np.zeros(3, np.float32)
        assert engine({"x": X, "keep": X != 0}, out={"doubled": mine})["doubled"] is mine
        assert np.array_equal(mine, [6, -4, 10])
        with pytest.raises(UserError, match="E508"):
            engine({"x": X[:3], "keep": X[:3] != 0}, out={"doubled": mine})


def failing_plan() -> Plan:
    m = Maker(6)
    m.reference(
        "Gather",
        [m.ref("x", m.input("x")), m.ref("i", m.input("i", (1,), I64), (1,), I64)],
        [m.ref("y", m.output("y", (1,)), (1,))],
    )
    return m.plan()


def test_a_reference_step_that_fails_names_its_node():
    with load(failing_plan(), threads=1) as engine:
        assert engine(x=X, i=np.array([4]))["y"][0] == 5
        with pytest.raises(UserError, match="E512") as caught:
            engine(x=X, i=np.array([77]))
        assert "/Gather" in caught.value.where
        assert engine(x=X, i=np.array([1]))["y"][0] == 3


def test_a_shape_that_was_not_inferred_is_our_bug():
    m = Maker(6)
    m.reference("Neg", [m.ref("x", m.input("x"))], [m.ref("y", m.output("y", (5,)), (5,))])
    with load(m.plan(), threads=1) as engine, pytest.raises(InternalError, match="E513"):
        engine(x=X)


def test_inputs_of_open_sizes_that_do_not_fit_together_are_the_callers():
    n, k = symbol("n"), symbol("k")
    m = Maker(n, {"n": (1, 6, 9), "k": (1, 6, 9)})
    inputs = [m.ref("x", m.input("x")), m.ref("z", m.input("z", (k,)), (k,))]
    m.reference("Add", inputs, [m.ref("y", m.output("y", (n,)), (n,))])
    with load(m.plan(), threads=1) as engine:
        assert np.array_equal(engine(x=X, z=X)["y"], 2 * X)
        with pytest.raises(UserError, match="E509: the inputs of Add do not fit together") as caught:
            engine(x=X[:1], z=X)
        assert "x [1], z [6]" in caught.value.where


def test_a_tensor_whose_size_nobody_found_is_our_bug():
    m = Maker(6, {"found": (0, 1, 0)})
    found = symbol("found")
    m.input("x")
    m.output("y", (found,), kind="dynamic")
    with load(m.plan(from_data=("found",)), threads=1) as engine, pytest.raises(InternalError, match="E514"):
        engine(x=X)


def test_without_onnx_a_plan_with_reference_steps_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    evaluator_module._evaluator_class.cache_clear()
    monkeypatch.setitem(sys.modules, "onnx", None)
    with load(failing_plan(), threads=1) as engine, pytest.raises(EnvironmentProblem, match="E832") as caught:
        engine(x=X, i=np.array([4]))
    assert "pip install onnx" in caught.value.hint


def test_the_evaluator_is_made_once(monkeypatch: pytest.MonkeyPatch):
    made = []
    real = reference_module.evaluator
    monkeypatch.setattr(reference_module, "evaluator", lambda model: made.append(1) or real(model))
    with load(failing_plan(), threads=1) as engine:
        for _ in range(3):
            engine(x=X, i=np.array([4]))
    assert len(made) == 1


def test_the_wall_a_plan_runs_where_no_compiler_can_be_imported(tmp_path: Path):
    m = Maker()
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(lambda a: a + a, x, t)
    m.pointwise(lambda a: a * a, t, y)
    m.plan().save(tmp_path / "small.plan")
    script = """
        import sys

        BLOCKED = "onnx onnx_ir onnxscript llvmlite triton typer rich".split()
        BLOCKED += [f"burnish.{room}" for room in "ops passes importers precision lower targets tune build".split()]

        class Wall:
            def find_spec(self, name, path=None, target=None):
                if any(name == b or name.startswith(b + ".") for b in BLOCKED):
                    raise ImportError(f"{name} is behind the wall")

        sys.meta_path.insert(0, Wall())
        import numpy as np
        import burnish

        engine = burnish.load(sys.argv[1], threads=2)
        x = np.linspace(-1, 1, 64, dtype=np.float32)
        assert np.array_equal(engine(x=x)["y"], (2 * x) ** 2)
        print("ran")
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script), str(tmp_path / "small.plan")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.stdout == "ran\n", done.stderr


def test_the_wall_a_plan_for_a_gpu_needs_neither_triton_nor_torch():
    script = """
        import sys

        BLOCKED = "onnx onnx_ir onnxscript llvmlite triton torch typer rich cuda".split()
        BLOCKED += [f"burnish.{room}" for room in "ops passes importers precision lower targets tune build".split()]

        class Wall:
            def find_spec(self, name, path=None, target=None):
                if any(name == b or name.startswith(b + ".") for b in BLOCKED):
                    raise ImportError(f"{name} is behind the wall")

        sys.meta_path.insert(0, Wall())
        import numpy as np
        import burnish
        from burnish.devices.null.processor import null_cuda
        from burnish.plan import read, to_bytes
        from tests.devices.cuda.plans import W, in_numpy, small_plan

        device, driver = null_cuda(on_launch=in_numpy)
        x = np.linspace(-1, 1, 64, dtype=np.float32)
        with burnish.load(read(to_bytes(small_plan())), device=device) as engine:
            for _ in range(3):
                assert np.array_equal(engine(x=x)["y"], 2 * x + W[:64])
        assert driver.counts["launch_graph"] == 2
        try:
            burnish.load(small_plan(), device="cuda")
        except burnish.BurnishError as error:
            print("ran", error.code)
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=Path(__file__).parents[2])
    assert done.stdout == "ran E833\n", done.stderr
