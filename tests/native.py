"""Which of ONNX's node cases run on kernels of ours, and which on the reference kernel?   tests/data/native.json

    python -m tests.native             what differs from the record
    python -m tests.native --update    record anew: after a kernel was gained, or a reason was put in other words

Four ways to look at a case:

    definition   the operator's definition, where all inputs are known
    symbols      the same, with symbols for the dimensions of the first input
    cpu          what a CPU's plan launches; the arguments (axes, shapes, pads ...) are constants
    open         the same, with the first input's dimensions open
    cuda         what a GPU's plan launches, at the case's shapes

The answer is the kinds of kernels ("Loops", "Contraction"), "reference: " with the reason, "refused" with the error,
or "crash" for a defect that is not mended yet.
Nothing is compiled. The record has a line for the cases of an operator that have the same answers.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir

from burnish.building.analyze import analyze
from burnish.dims import symbol
from burnish.errors import BurnishError
from burnish.kernels.task import each_launch
from burnish.ops.inference.infer import Inferred, infer
from burnish.ops.language.definition import Tensor
from burnish.ops.language.node_view import constant_tensor
from burnish.target import parse_target
from burnish.targets import compiler_of
from tests.node_cases import NodeCase, cases_by_kind, with_constant_arguments

RECORD = Path(__file__).parent / "data" / "native.json"
UPDATE = "python -m tests.native --update"
CPU, CUDA = "cpu:x86-64-v3", "cuda:sm_90a"
DEFINED, NOTHING = "defined", "no launch"
Answers = dict[str, str]


def known_inputs(case: NodeCase, data_set: int = 0) -> tuple[ir.Model, dict[ir.Value, Tensor]]:
    """A fresh graph of the case, and its inputs as tensors of known content. KeyError for a type Burnish lacks."""
    model = ir.from_proto(case.model)
    given = case.inputs(data_set)
    return model, {v: constant_tensor(v.name or "", given[v.name or ""]) for v in model.graph.inputs}


def open_first_input(model: ir.Model, known: dict[ir.Value, Tensor]) -> tuple[dict[ir.Value, Tensor], dict[str, int]]:
    """The same, but of the first input nothing is known but its rank and dimensions of 1; the symbols' sizes."""
    first = model.graph.inputs[0]
    sizes = {f"d{n}": int(size) for n, size in enumerate(known[first].shape)}  # type: ignore[call-overload]
    shape = tuple(size if size == 1 else symbol(f"d{n}") for n, size in enumerate(known[first].shape))
    return known | {first: Tensor(first.name or "", known[first].dtype, shape)}, sizes


def _definition(case: NodeCase) -> str:
    return _defined(case, lambda model, known: infer(model.graph, known))


def _symbols(case: NodeCase) -> str:
    first = next(iter(case.inputs().values()), None)
    if first is None or first.ndim == 0:
        return "no dimension to leave open"
    return _defined(case, lambda model, known: infer(model.graph, open_first_input(model, known)[0]))


def _defined(case: NodeCase, run: Callable[[ir.Model, dict[ir.Value, Tensor]], Inferred]) -> str:
    try:
        model, known = known_inputs(case)
    except KeyError:
        return "an element type that Burnish does not hold"
    found = run(model, known)
    return next(iter(found.undefined.values()), DEFINED)


def _cpu(case: NodeCase) -> str:
    model, inputs = with_constant_arguments(case)
    return _launched(model, CPU, shapes={name: x.shape for name, x in inputs.items()})


def _cuda(case: NodeCase) -> str:
    model, inputs = with_constant_arguments(case)
    return _launched(model, CUDA, shapes={name: x.shape for name, x in inputs.items()})


def _open(case: NodeCase) -> str:
    """The first input's dimensions have names of their own and may be anything from 1 to the case's size."""
    model, inputs = with_constant_arguments(case)
    if not model.graph.input:
        return "no dimension to leave open"
    first = model.graph.input[0]
    shape = inputs[first.name].shape
    if all(size <= 1 for size in shape):
        return "no dimension to leave open"
    for n, dim in enumerate(first.type.tensor_type.shape.dim):
        if shape[n] > 1:
            dim.dim_param = f"d{n}"
    profile = {name: (x.shape,) * 3 for name, x in inputs.items()}
    profile[first.name] = (tuple(min(1, size) for size in shape), shape, shape)
    return _launched(model, CPU, profile=profile)


def _launched(model: onnx.ModelProto, target: str, **sizes: Any) -> str:
    """The kinds of kernels; "data" where a size is known only after a kernel has run."""
    chosen = parse_target(target)
    try:
        found = analyze(model, abilities=compiler_of(chosen).abilities, **sizes)
    except BurnishError as e:
        return f"refused {e.code}"
    except Exception as e:  # a defect: the record holds it until it is mended
        return f"crash {type(e).__name__}"
    if found.fallbacks:
        return "reference: " + "; ".join(dict.fromkeys(why for _, why in found.fallbacks))
    kinds = {type(x.kernel).__name__.removesuffix("Task") for x in each_launch(found.program.steps)}
    data = ["data"] if any(low == 0 for low, _, _ in found.program.symbols.values()) else []
    return "+".join([*sorted(kinds), *data]) or NOTHING


WAYS: dict[str, Callable[[NodeCase], str]] = {
    "definition": _definition,
    "symbols": _symbols,
    "cpu": _cpu,
    "open": _open,
    "cuda": _cuda,
}


@cache
def operators() -> dict[str, list[NodeCase]]:
    """The cases of one node, by operator."""
    found: dict[str, list[NodeCase]] = {}
    for case in sorted(cases_by_kind()["one node"], key=lambda c: (c.operator, c.name)):
        found.setdefault(case.operator, []).append(case)
    return found


@cache
def recorded() -> dict[str, Answers]:
    """The record: the answers of each case, by way."""
    found: dict[str, Answers] = {}
    for group in (group for groups in json.loads(RECORD.read_text()).values() for group in groups):
        names = group.pop("cases").split()
        answers = {way: answer for ways, answer in group.items() for way in ways.split()}
        found |= dict.fromkeys(names, answers)
    return found


def cases_where(way: str, holds: Callable[[str], bool]) -> list[NodeCase]:
    """The cases of one node whose recorded answer holds: what is not to run is not a test."""
    record = recorded()
    cases = cases_by_kind()["one node"]
    return [c for c in cases if c.name in record and holds(record[c.name][way])]


def differences(cases: Iterable[NodeCase], ways: Iterable[str] = tuple(WAYS)) -> Iterator[str]:
    """A line for each case and way whose answer is not the recorded one."""
    ways = tuple(ways)
    for case in cases:
        for way in ways:
            was, now = recorded().get(case.name, {}).get(way, "not recorded"), WAYS[way](case)
            if was != now:
                yield f"{case.operator}, {case.name}, {way}: was '{was}', is '{now}'"


def text_of(answers: dict[str, Answers]) -> str:
    """The record in its one form: a line for the cases of an operator with the same answers."""
    lines = []
    for operator, cases in operators().items():
        groups: dict[str, list[str]] = {}
        for case in cases:
            by_answer: dict[str, str] = {}
            for way in WAYS:
                answer = answers[case.name][way]
                by_answer[answer] = f"{by_answer[answer]} {way}" if answer in by_answer else way
            line = ", ".join(f"{json.dumps(ways)}: {json.dumps(answer)}" for answer, ways in by_answer.items())
            groups.setdefault(line, []).append(case.name)
        rows = [f"{{{line}, {json.dumps('cases')}: {json.dumps(' '.join(names))}}}" for line, names in groups.items()]
        lines.append(f" {json.dumps(operator)}: [\n  " + ",\n  ".join(rows) + "\n ]")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(options: list[str]) -> int:
    cases = [case for group in operators().values() for case in group]
    if "--update" in options:
        RECORD.write_text(text_of({case.name: {way: WAYS[way](case) for way in WAYS} for case in cases}))
        print(f"recorded {len(cases)} cases of {len(operators())} operators in tests/data/{RECORD.name}")
        return 0
    lines = list(differences(cases))
    print("\n".join(lines) if lines else f"{len(cases)} cases, all as recorded")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
