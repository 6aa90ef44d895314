"""The passes, in the order they run; one line each, with its reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.context import PassContext, PassReport, PassRow
from burnish.passes.rule import Rule, apply_rules

MAX_REPEATS = 8


@dataclass(frozen=True)
class Pass:
    """One transformation: changes the model in place, returns how many changes it made (0: nothing to do)."""

    name: str
    reason: str
    run: Callable[[ir.Model, PassContext], int]


@dataclass(frozen=True)
class Repeat:
    """Passes that feed each other: run in turn until none of them changes anything."""

    name: str
    passes: tuple[Pass, ...]


def rules(name: str, reason: str, *members: Rule) -> Pass:
    """A pass that applies rewrite rules everywhere until none applies."""

    def run(model: ir.Model, context: PassContext) -> int:
        return apply_rules(model.graph, members, context.report)

    return Pass(name, reason, run)


CLEAN = Repeat("clean", ())

PIPELINE: tuple[Pass | Repeat, ...] = (
    CLEAN,
    # norms, activations, attention and folding into weights: their rules go here, most specific first
    CLEAN,
)


def optimize(
    model: ir.Model, context: PassContext | None = None, pipeline: tuple[Pass | Repeat, ...] = PIPELINE
) -> PassReport:
    """Run the pipeline on a model, in place; the answers stay the same.

    returns: the report: a row per pass that ran, and why rules declined
    raises:  E901 if rules never come to rest (a bug in a rule)
    """
    context = context or PassContext()
    for entry in pipeline:
        if isinstance(entry, Pass):
            _run(entry, model, context)
            continue
        for _ in range(MAX_REPEATS):
            if not sum(_run(member, model, context) for member in entry.passes):
                break
    return context.report


def count_nodes(model: ir.Model) -> int:
    """Nodes of the graph and all its subgraphs."""
    return sum(1 for _ in model.graph.all_nodes())


def _run(member: Pass, model: ir.Model, context: PassContext) -> int:
    before, start = count_nodes(model), time.perf_counter_ns()
    changes = member.run(model, context)
    elapsed = time.perf_counter_ns() - start
    context.report.rows.append(PassRow(member.name, member.reason, changes, before, count_nodes(model), elapsed))
    return changes
