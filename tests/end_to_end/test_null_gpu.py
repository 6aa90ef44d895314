"""The whole way to a GPU without one: build, load, launch on the pretended driver, kernels in Triton's interpreter.

What the device hands to each kernel is checked against what its source asks for; the answers against ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import burnish
from burnish.devices import cuda
from burnish.devices.array import array_at
from burnish.devices.cuda.driver import Address, Integer, Parameter
from burnish.devices.cuda.driver import TensorMap as Map
from burnish.devices.null.driver import NullDriver, NullFunction
from burnish.devices.null.processor import null_cuda
from burnish.dims import evaluate
from burnish.measuring.systems import profile_layers
from burnish.runtime.shapes import bind_shapes, shape_rules
from burnish.targets.cuda import program as program_module
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap, Workspace
from tests.end_to_end.architectures import SMALL
from tests.end_to_end.oracle import answers, session, shapes
from tests.small_model import small_model
from tests.targets.cuda.interpret import interpret
from tests.targets.recurrent_model import recurrent_model

Memory = dict[int, np.ndarray[Any, Any]]


class Interpreter:
    """Launches on a pretended driver's memory. `sources`: by the cubin that they became; `sizes`: bound symbols."""

    def __init__(self, sources: Mapping[bytes, Source]) -> None:
        self.sources, self.sizes, self.launched = sources, dict[str, int](), 0
        self.driver: NullDriver | None = None

    def __call__(self, function: NullFunction, grid: tuple[int, int, int], parameters: tuple[Parameter, ...]) -> None:
        source = self.sources[function.code]
        assert grid == tuple(evaluate(n, self.sizes) for n in source.grid)
        places = {slot: self._array(*place) for slot, place in self._places(source, iter(parameters))}
        arrays, offsets = ({slot: place[n] for slot, place in places.items()} for n in (0, 1))
        before, after = ({slot: array.copy() for slot, array in arrays.items()} for _ in range(2))
        interpret(source, after, self.sizes, offsets)
        for slot, array in arrays.items():  # slots may overlap: only what a launch changed goes back
            changed = before[slot].view(np.uint8) != after[slot].view(np.uint8)
            array.view(np.uint8)[changed] = after[slot].view(np.uint8)[changed]
        self.launched += 1

    def _places(self, source: Source, given: Iterator[Parameter]) -> Iterator[tuple[int, tuple[int, Any]]]:
        """(slot, (address of its element 0, element type)), every parameter being what the source asks for."""
        for wanted in source.parameters:
            found = next(given)
            if isinstance(wanted, Size):
                assert isinstance(found, Integer) and found.value == evaluate(wanted.value, self.sizes)
            elif isinstance(wanted, Workspace):
                assert isinstance(found, Address)
                array, first = self._array(found.value, np.uint8)
                assert len(array) - first >= evaluate(wanted.size_bytes, self.sizes)
            elif isinstance(wanted, Pointer):
                assert isinstance(found, Address) and found.value % wanted.divisible == 0
                yield wanted.slot, (found.value, wanted.dtype.numpy)
            else:
                yield wanted.slot, (self._map(wanted, found, given), wanted.dtype.numpy)
        assert all(isinstance(p, Integer) and p.value == 0 for p in given), "Triton's own pointers"

    def _map(self, wanted: TensorMap, found: Parameter, given: Iterator[Parameter]) -> int:
        shape, strides = (tuple(evaluate(n, self.sizes) for n in d) for d in (wanted.shape, wanted.strides))
        assert isinstance(found, Map) and (found.shape, found.strides, found.dtype) == (shape, strides, wanted.dtype)
        assert found.address % 16 == 0 and all(n * found.dtype.size_bytes % 16 == 0 for n in strides[:-1])
        assert [next(given) for _ in shape] == [Integer(n) for n in shape]
        assert [next(given) for _ in strides] == [Integer(n, 64) for n in strides]
        return found.address - evaluate(wanted.offset, self.sizes) * found.dtype.size_bytes

    def _array(self, address: int, dtype: Any) -> tuple[np.ndarray[Any, Any], int]:
        """The allocation that the address lies in, and the element there: negative strides read before it."""
        assert self.driver is not None
        start, size_bytes = self.driver.allocation(address)
        kind = np.dtype(dtype)
        return array_at(start, kind, (size_bytes // kind.itemsize,)), (address - start) // kind.itemsize


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch) -> Interpreter:
    sources: dict[bytes, Source] = {}
    compile_sources = program_module.compile_sources

    def remember(tasks: list[tuple[Source, Any]]) -> list[Any]:
        cubins = compile_sources(tasks)
        sources.update((c.content, source) for c, (source, _) in zip(cubins, tasks))
        return cubins

    monkeypatch.setattr(program_module, "compile_sources", remember)
    return Interpreter(sources)


def check(interpreter: Interpreter, model: bytes, runs: Sequence[Mapping[str, Any]], **options: Any) -> None:
    plan = burnish.build(model, target="cuda:sm_90a", opt_level=0, **options)
    device, driver = null_cuda(on_launch=interpreter)
    interpreter.driver = driver
    oracle, rules = session(model), shape_rules(plan.manifest)
    with burnish.load(plan, device=device) as engine, engine.create_context() as context:
        for feeds in runs:
            interpreter.sizes = bind_shapes(rules, [feeds[t.name].shape for t in engine.manifest.inputs]).values
            got = context(feeds)
            for name, want in answers(oracle, feeds).items():
                np.testing.assert_allclose(got[name], want, rtol=1e-3, atol=1e-4)
        assert interpreter.launched == len(runs) * len(plan.manifest.variants[0].launches)
    assert not +driver.held


def test_a_plan_for_a_gpu_gives_the_right_answers_for_every_shape(interpreter: Interpreter) -> None:
    random = np.random.default_rng(0)
    runs = [{"x": random.standard_normal((n, 4)).astype(np.float32)} for n in (5, 3, 5, 5)]
    check(interpreter, small_model().SerializeToString(), runs, profile={"x": ((1, 4), (5, 4), (8, 4))})


def test_an_index_out_of_range_is_refused_on_a_gpu_and_the_next_run_is_free_of_it(interpreter: Interpreter) -> None:
    text = (
        '<ir_version: 10, opset_import: ["": 21]> g (float[5,4] x, int64[N] i) => (float[N,4] y) { y = Gather(x, i) }'
    )
    profile = {"i": ((1,), (3,), (9,))}
    plan = burnish.build(onnx.parser.parse_model(text), target="cuda:sm_90a", opt_level=0, profile=profile)
    device, interpreter.driver = null_cuda(on_launch=interpreter)
    x, interpreter.sizes = np.arange(20, dtype=np.float32).reshape(5, 4), {"N": 2}
    with burnish.load(plan, device=device) as engine, engine.create_context() as context:
        for good, bad in (([4, -5], [4, 5]), ([0, 1], [-6, 1])):
            assert context(x=x, i=np.array(good))["y"].tolist() == x[good].tolist()
            with pytest.raises(burnish.UserError) as refused:
                context(x=x, i=np.array(bad))
            assert refused.value.code == "E525"


def convolutions() -> onnx.ModelProto:
    """y = mean(relu(conv(x)) + conv(relu(conv(x)))): halos, a residual, a reduction."""
    random = np.random.default_rng(1)
    shapes = {"first": (8, 4, 3, 3), "second": (8, 8, 3, 3)}
    weights = [numpy_helper.from_array(random.standard_normal(s).astype(np.float32) / 5, n) for n, s in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], "a", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "b"),
        helper.make_node("Conv", ["b", "second"], ["c"], "c", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"], "d"),
        helper.make_node("GlobalAveragePool", ["d"], ["y"], "y"),
    ]
    infos = [("x", ["n", 4, 6, 5]), ("y", ["n", 8, 1, 1])]
    x, y = (helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in infos)
    graph = helper.make_graph(nodes, "convolutions", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_convolutions_for_a_gpu_give_the_right_answers_for_every_batch(interpreter: Interpreter) -> None:
    random = np.random.default_rng(2)
    runs = [{"x": random.standard_normal((n, 4, 6, 5)).astype(np.float32)} for n in (2, 3, 1, 2, 2)]
    profile = {"x": ((1, 4, 6, 5), (2, 4, 6, 5), (3, 4, 6, 5))}
    check(interpreter, convolutions().SerializeToString(), runs, profile=profile)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "bert"])
def test_a_network_for_a_gpu_gives_the_right_answers_eagerly_and_from_its_graph(
    name: str, interpreter: Interpreter
) -> None:
    architecture = SMALL[name]
    feeds = architecture.feeds(batch=1)
    check(interpreter, architecture.make(), [feeds] * 2, shapes=shapes(feeds))


def test_what_runs_on_the_host_gives_the_right_answers_and_its_weights_cross_once(interpreter: Interpreter) -> None:
    model = recurrent_model().SerializeToString()
    plan = burnish.build(model, target="cuda:sm_90a", allow_fallback=True)
    device, interpreter.driver = null_cuda(on_launch=interpreter)
    random, downloaded = np.random.default_rng(4), []
    with burnish.load(plan, device=device) as engine, engine.create_context() as context:
        for _ in range(3):
            feeds = {"x": random.standard_normal((5, 3, 6)).astype(np.float32)}
            before = interpreter.driver.counts["download"]
            got = context(feeds)
            downloaded.append(interpreter.driver.counts["download"] - before)
            for name, want in answers(session(model), feeds).items():
                np.testing.assert_allclose(got[name], want, rtol=1e-3, atol=1e-4)
    assert downloaded == [4, 1, 1]  # x; in the first run w, r and b too
    assert not +interpreter.driver.held


def test_layers_list_what_runs_on_the_host_with_its_time(
    interpreter: Interpreter, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    device, interpreter.driver = null_cuda(on_launch=interpreter)
    monkeypatch.setattr(cuda, "count_gpus", lambda: 1)
    monkeypatch.setattr(cuda, "Cuda", lambda number: device)
    burnish.build(recurrent_model(), target="cuda:sm_90a", allow_fallback=True).save(tmp_path / "recurrent.plan")
    feeds = {"x": np.ones((5, 3, 6), np.float32)}
    rows = profile_layers(str(tmp_path / "recurrent.plan"), feeds, threads=1, device="cuda")
    (host,) = [row for row in rows if row["kernel"] == "Reference"]
    assert host["nodes"] == ("remember",) and host["tactic"] == "LSTM" and host["flops"] == 4800
    assert host["ms"] > 0 and host["share"] > 0 and host["roofline"] is None
    assert all(row["roofline"] is None or row["roofline"] > 0 for row in rows) and len(rows) == 3
