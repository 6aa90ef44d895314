"""LSTM, GRU and RNN against ONNX Runtime, in every form that ONNX knows."""

from __future__ import annotations

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import RecurrentTask
from burnish.targets.cpu.recurrent import template as recurrent
from burnish.targets.cpu.recurrent.activations import activations
from burnish.targets.cpu.recurrent.layout import GATES, INPUTS
from tests.targets.cpu.reference_loops import dense
from tests.targets.cpu.run_kernel import TARGETS, Compiled, runnable, undefined_symbols

LEVELS = [t for t in TARGETS if runnable(t)]
GUARD = 16


class Case:
    """A layer with random weights: its kernel, its arrays, and what ONNX Runtime answers."""

    def __init__(self, kind, time, batch, inputs, hidden, direction="forward", optional=(), wanted=None, **attributes):
        self.kind, self.hidden, self.direction, self.attributes = kind, hidden, direction, attributes
        d, g = 2 if direction == "bidirectional" else 1, GATES[kind]
        random = np.random.default_rng(len(attributes) + hidden)
        scale = 1 / np.sqrt(hidden)

        def normal(*shape):
            return random.normal(0, scale, shape).astype(np.float32)

        every = {
            "x": random.normal(0, 1, (time, batch, inputs)).astype(np.float32), "w": normal(d, g * hidden, inputs),
            "r": normal(d, g * hidden, hidden), "b": normal(d, 2 * g * hidden),
            "lengths": random.integers(1, time + 1, batch).astype(np.int32), "initial_h": normal(d, batch, hidden),
            "initial_c": normal(d, batch, hidden), "peepholes": normal(d, 3 * hidden),
        }  # fmt: skip
        names = list(every)[: INPUTS[kind]]
        self.inputs = {n: every[n] for n in names if n in ("x", "w", "r", *optional)}
        shapes = {"y": (time, d, batch, hidden), "y_h": (d, batch, hidden), "y_c": (d, batch, hidden)}
        results = list(shapes)[: 3 if kind == "LSTM" else 2]
        self.outputs = {n: shapes[n] for n in results if n in (wanted or results)}
        self.present = tuple(n in self.inputs for n in names) + tuple(n in self.outputs for n in results)
        self.names, self.results = names, results

    def expected(self):
        node = helper.make_node(
            self.kind,
            [n if n in self.inputs else "" for n in self.names],
            [n if n in self.outputs else "" for n in self.results],
            hidden_size=self.hidden,
            direction=self.direction,
            **self.attributes,
        )
        values = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in self.inputs.items()
        ]
        outs = [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, None) for n in self.outputs]
        model = helper.make_model(
            helper.make_graph([node], "g", values, outs), opset_imports=[helper.make_opsetid("", 14)], ir_version=9
        )
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return dict(zip(self.outputs, session.run(None, self.inputs)))

    def kernel(self, packed=True, slots=None):
        own = [dense(DType.of(a.dtype), a.shape) for a in self.inputs.values()]
        own += [dense(DType.F32, s) for s in self.outputs.values()]
        attributes = tuple(sorted((k, tuple(v) if isinstance(v, list) else v) for k, v in self.attributes.items()))
        return RecurrentTask(
            tuple(slots or own), self.kind, self.present, self.hidden, self.direction, attributes, packed
        )

    def run(self, target, packed=True, schedule=None, threads=(1, 2)):
        kernel = self.kernel(packed)
        schedule = schedule or recurrent.schedules(kernel, target)[0]
        compiled = Compiled(lambda c: recurrent.emit(c, kernel, schedule, "layer"), target)
        assert undefined_symbols(compiled.code) == []
        expected = self.expected()
        for count in threads:
            inputs = [recurrent.pack(kernel, schedule, n, a) for n, a in enumerate(self.inputs.values())]
            padded = {n: np.full(int(np.prod(s)) + 2 * GUARD, 7.0, np.float32) for n, s in self.outputs.items()}
            slots = [np.ascontiguousarray(a) for a in inputs]
            places = [p.ctypes.data + 4 * GUARD for p in padded.values()]
            compiled([*slots, *places], None, count, max(64, recurrent.scratch_bytes(kernel, schedule)))
            for name, p in padded.items():
                assert np.all(p[:GUARD] == 7) and np.all(p[-GUARD:] == 7), "bytes outside were written"
                got = p[GUARD:-GUARD].reshape(self.outputs[name])
                np.testing.assert_allclose(got, expected[name], rtol=2e-5, atol=2e-6, err_msg=name)


DIRECTIONS = ["forward", "reverse", "bidirectional"]
FULL = ("b", "lengths", "initial_h", "initial_c", "peepholes")


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("kind, direction", list(itertools.product(GATES, DIRECTIONS)))
def test_every_kind_and_direction_with_all_inputs(kind, direction, target):
    Case(kind, 5, 3, 7, 9, direction, FULL).run(target)


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("time, batch, inputs, hidden", [(1, 1, 1, 1), (9, 1, 4, 8), (17, 4, 33, 40), (2, 33, 16, 16)])
def test_sizes_from_one_up(kind, time, batch, inputs, hidden):
    Case(kind, time, batch, inputs, hidden, optional=("b",)).run(LEVELS[-1])


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("resets_product", [0, 1])
def test_gru_resets_before_or_after_the_product(target, resets_product):
    Case("GRU", 6, 2, 5, 20, "bidirectional", ("b", "initial_h"), linear_before_reset=resets_product).run(target)


@pytest.mark.parametrize("kind", GATES)
def test_clip_bounds_the_activations_inputs(kind):
    Case(kind, 4, 2, 6, 5, optional=("b",), clip=0.3).run(LEVELS[-1])


def test_coupled_forget_gate():
    Case("LSTM", 4, 2, 6, 5, optional=("b",), input_forget=1).run(LEVELS[-1])


@pytest.mark.parametrize("wanted", [("y",), ("y_h",), ("y_c",), ("y", "y_c")])
def test_only_the_outputs_that_are_wanted(wanted):
    Case("LSTM", 3, 2, 4, 6, wanted=wanted).run(LEVELS[-1])


FUNCTIONS = ["Relu", "Tanh", "Sigmoid", "HardSigmoid", "Elu", "Softsign", "Softplus", "LeakyRelu", "ThresholdedRelu"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_activation_functions(name):
    parameters = {"activation_alpha": [0.3]} if name in ("Elu", "LeakyRelu", "ThresholdedRelu") else {}
    if name == "HardSigmoid":
        parameters = {"activation_alpha": [0.3], "activation_beta": [0.4]}
    Case("RNN", 4, 2, 6, 5, optional=("b",), activations=[name], **parameters).run(LEVELS[-1])


def test_each_direction_has_its_own_activations():
    Case("GRU", 4, 2, 6, 5, "bidirectional", ("b",), activations=["Sigmoid", "Tanh", "HardSigmoid", "Relu"],
         activation_alpha=[0.25], activation_beta=[0.45]).run(LEVELS[-1])  # fmt: skip


def test_parameters_go_to_the_functions_that_take_them():
    found = activations(["Sigmoid", "LeakyRelu", "HardSigmoid", "Elu"], [0.1, 0.3], [0.7])
    assert [(f.alpha, f.beta) for f in found] == [(0.0, 0.0), (0.1, 0.0), (0.3, 0.7), (1.0, 0.0)]


@pytest.mark.parametrize("kind", GATES)
def test_weights_computed_during_the_run_are_packed_then(kind):
    Case(kind, 3, 2, 5, 18, "bidirectional", ("b",)).run(LEVELS[-1], packed=False)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_every_schedule_gives_the_same_answer(target):
    case = Case("LSTM", 6, 4, 10, 24, "bidirectional", ("b", "initial_h", "initial_c"))
    for schedule in recurrent.schedules(case.kernel(), target):
        case.run(target, schedule=schedule, threads=(1, 2, 3))


def test_time_and_batch_may_be_symbolic_and_strides_any():
    """x as [batch, time, inputs] and y as [batch, hidden, time], seen through strides"""
    case = Case("GRU", 5, 2, 4, 6, wanted=("y",))
    t, n = symbol("time"), symbol("batch")
    slots = [
        Slot(DType.F32, (t, n, 4), (4, 4 * t, 1)), dense(DType.F32, (1, 18, 4)), dense(DType.F32, (1, 18, 6)),
        Slot(DType.F32, (t, 1, n, 6), (1, 0, 6 * t, t)),
    ]  # fmt: skip
    kernel = case.kernel(slots=slots)
    schedule = recurrent.schedules(kernel, LEVELS[-1], {"time": 5, "batch": 2})[0]
    compiled = Compiled(lambda c: recurrent.emit(c, kernel, schedule, "layer"), LEVELS[-1], ["batch", "time"])
    x, w, r = case.inputs.values()
    y = np.zeros((2, 6, 5), np.float32)
    packed = [recurrent.pack(kernel, schedule, k, a) for k, a in ((1, w), (2, r))]
    arrays = [np.ascontiguousarray(x.transpose(1, 0, 2)), *packed, y]
    compiled(arrays, {"time": 5, "batch": 2}, 2, recurrent.scratch_bytes(kernel, schedule))
    np.testing.assert_allclose(y.transpose(2, 0, 1)[:, None], case.expected()["y"], rtol=2e-5, atol=2e-6)
