"""Programs and measurements for tests of the tuner: nothing here looks at a clock or a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx.parser

from burnish.building.analyze import analyze
from burnish.dims import evaluate
from burnish.importers.profile import Range
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program
from burnish.plan.plan import Plan
from burnish.target import Target, parse_target
from burnish.tune.entry import Entry, Key
from burnish.tune.measure import Measure, Timing
from burnish.tune.trial import Trial

V3 = parse_target("cpu:x86-64-v3")  # every machine that runs the tests has it
HERE = "a processor, 2 threads"
NET = """net (float[n,3,16,16] x) => (float[n,40] y)
    <float[8,3,3,3] w, float[8] b, float[2048,40] v> {
    c = Conv <pads = [1,1,1,1]> (x, w, b)
    r = Relu (c)
    f = Flatten (r)
    m = MatMul (f, v)
    y = Softmax (m)
}"""


def net() -> onnx.ModelProto:
    """Convolution, product, softmax."""
    from onnx import numpy_helper

    model = onnx.parser.parse_model('<ir_version: 10, opset_import: ["" : 21]> ' + NET)
    generator = np.random.default_rng(0)
    del model.graph.initializer[:]
    for name, shape in (("w", (8, 3, 3, 3)), ("b", (8,)), ("v", (2048, 40))):
        array = generator.standard_normal(shape).astype(np.float32) / 16
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    return model


def program(profile: Range | None = None) -> Program:
    """The net's; at batch 1, or for a range of batches."""
    found = analyze(net(), profile={"x": profile} if profile else None)
    return found.program


def batches(low: int, usual: int, high: int) -> Range:
    return tuple((n, 3, 16, 16) for n in (low, usual, high))  # type: ignore[return-value]


def last_is_best(target: Target) -> Measure:
    """Each candidate is faster than the one before."""

    def measure(trial: Trial, plans: Sequence[Plan]) -> list[Timing]:
        return [Timing(1000.0 / (1 + n)) for n in range(len(plans))]

    return measure


def entry(task: str = "0" * 32, tactic: str = "loops width=8", time_ns: int = 100, device: str = HERE) -> Entry:
    return Entry(Key("cpu:x86-64-v3", device, task, (("n", 4),)), "loops f32 4x8", tactic, time_ns, 4)


def results(trial: Trial, outputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """The tensors that the trial's launch writes, out of the outputs' bytes."""
    launch = trial.task.launches[0]
    sizes = trial.program.sizes
    bindings = trial.program.steps[-1].bindings
    found = []
    for n in launch.writes:
        slot, at = launch.kernel.slots[n], bindings[n]
        tensor = np.asarray(outputs[trial.program.storages[at.storage].name])
        usable = tensor[evaluate(at.offset, sizes) * slot.dtype.size_bytes :]
        elements = usable[: len(usable) // slot.dtype.size_bytes * slot.dtype.size_bytes].view(slot.dtype.numpy)
        shape = [evaluate(n, sizes) for n in slot.shape]
        strides = [evaluate(n, sizes) * slot.dtype.size_bytes for n in slot.strides]
        found.append(np.array(np.lib.stride_tricks.as_strided(elements, shape, strides)))
    return found


def texts(schedules: dict[str, Schedule]) -> dict[str, str]:
    return {key: str(s) for key, s in schedules.items()}
