"""Everything that is known of one boundary where error is made: what the causes are told by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.doctor.finding import Cause, Finding
from burnish.doctor.meaning import Meaning
from burnish.doctor.observe import Observed, Sample
from burnish.doctor.reference import Reference
from burnish.doctor.tasks import Tasks
from burnish.passes.rewrite.rule import sources
from burnish.precision.roles import PRODUCTS

Array = np.ndarray[Any, Any]
MOST_SAMPLES = 8  # whose numbers are kept to tell a cause
QUANTISES = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, eq=False)
class Case:
    """region: the model's nodes whose work the launches did, in order; readers: those that read the result.

    exact: tensors of the f32 model around the boundary, a list of arrays for each, one a sample
    made:  the boundary's numbers, made of exact ones
    codes: what the numbers are kept as, or were before they were numbers again; None for floats
    sources: the types in which the launches found what they read, by the f32 model's tensor; makers: the nodes that
             made those of 16 bits
    own_precision: what products are in that leave int8
    """

    observed: Observed
    region: tuple[ir.Node, ...]
    readers: tuple[ir.Node, ...]
    exact: Mapping[str, list[Array]]
    made: list[Array]
    sources: Mapping[str, np.dtype[Any]]
    makers: tuple[str, ...] = ()
    own_precision: str = "fp32"

    @property
    def codes(self) -> Meaning | None:
        meaning = self.observed.boundary.meaning
        return meaning if meaning.is_code else meaning.coded

    @property
    def tensor(self) -> str:
        return self.observed.tensor

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is stored."""
        return self.observed.boundary.slot.dtype.numpy

    @property
    def axis(self) -> int:
        return self.observed.axis

    @property
    def numbers(self) -> list[Array]:
        """The f32 model's numbers at the boundary."""
        return self.exact[self.tensor]

    @property
    def layer(self) -> str:
        """The node to look at: what makes the tensor, its last product before others; else what reads it."""
        own = [n for n in self.region if n.op_type not in QUANTISES]
        products = [n for n in own if n.op_type in PRODUCTS]
        others = [n for n in self.readers if n.op_type not in QUANTISES]
        return str([*others[:1], *own[-1:], *products[-1:]][-1].name) if own or others else self.tensor

    def maker_of(self, tensor: str) -> str:
        """The node that makes a tensor in the region; the layer if none does."""
        return next((str(n.name) for n in self.region if any(v.name == tensor for v in n.outputs)), self.layer)

    def of(self, tensor: ir.Value | None) -> list[Array] | None:
        """A tensor's exact numbers, if it is known."""
        return None if tensor is None else self.exact.get(str(tensor.name))

    def finding(self, cause: Cause, evidence: str, layer: str = "", advice: str = "") -> Finding:
        """A finding here, and the nodes that would have to leave the narrow type."""
        if self.codes is not None:
            nodes = tuple(dict.fromkeys(str(n.name) for n in self.readers))
            word = self.own_precision
        else:
            is_cast = self.observed.boundary.name != self.tensor  # then its maker is wide already: who wants it narrow?
            made = [] if is_cast else [n for n in self.region if n.op_type not in (*QUANTISES, "Cast")]
            own = made or self.readers
            nodes, word = tuple(dict.fromkeys(str(n.name) for n in own)), "fp32"
        name, error = layer or self.layer, self.observed.made.error
        whole = next((sources(n) for n in (*self.region, *self.readers) if n.name == name), ())
        replaced = tuple(n for n in whole if n != name)
        return Finding(cause, name, self.tensor, evidence, error, nodes, word, advice, replaced)


def take_cases(
    tasks: Tasks,
    reference: Reference,
    written: ir.Graph,
    meanings: Mapping[str, Meaning],
    chosen: Sequence[Observed],
    samples: Sequence[Sample],
    own_precision: str,
) -> list[Case]:
    """Run samples once more, and keep the numbers around the chosen boundaries."""
    values = {str(v.name): v for v in graph_values(written)}
    places = []
    for own in chosen:
        boundary = own.boundary
        stops = {*boundary.reads, *(meanings[r].tensor for r in boundary.reads if r in meanings and r not in values)}
        value = values.get(boundary.name) or values.get(boundary.meaning.tensor)
        region = () if value is None else tuple(_region(value, stops))
        readers = () if value is None else tuple(_readers(value))
        names = {str(v.name) for n in region for v in (*n.inputs, *n.outputs) if v is not None}
        names |= {meanings[n].tensor for n in (*names, *boundary.reads, own.tensor) if n in meanings} | {own.tensor}
        places.append((own, region, readers, names, list[Array](), dict[str, list[Array]]()))
    of_boundary = {own.boundary.name: made for own, _, _, _, made, _ in places}
    for sample in samples[:MOST_SAMPLES]:
        exact = reference(sample)
        for *_, names, _, kept in places:
            for name in names & exact.keys():
                kept.setdefault(name, []).append(exact[name])

        tasks.run_apart(
            sample, exact, lambda b, x: of_boundary[b.name].append(x.copy()) if b.name in of_boundary else None
        )
    cases = []
    for own, region, readers, _, made, kept in places:
        for name in [n for n in meanings if n not in kept and meanings[n].tensor in kept]:
            kept[name] = kept[meanings[name].tensor]  # codes, and numbers that were codes
        sources = {
            meanings[r].tensor: slot.dtype.numpy
            for r in own.boundary.reads
            if r in meanings and (slot := tasks.program.tensors[r][1])
        }
        narrow = [
            producer for name, dtype in sources.items() if dtype.itemsize == 2 and (producer := _maker(values, name))
        ]
        cases.append(Case(own, region, readers, kept, made, sources, tuple(narrow), own_precision))
    return cases


def graph_values(graph: ir.Graph) -> Iterator[ir.Value]:
    """The inputs, and what nodes make."""
    yield from graph.inputs
    for node in graph:
        yield from node.outputs


def _maker(values: Mapping[str, ir.Value], name: str) -> str:
    """The node that makes a tensor; empty for an input."""
    node = values[name].producer() if name in values else None
    return "" if node is None else str(node.name)


def _region(value: ir.Value, stops: set[str]) -> list[ir.Node]:
    """The nodes between the stops and a value, in order."""
    found: dict[ir.Node, None] = {}

    def visit(at: ir.Value | None) -> None:
        node = None if at is None or at.name in stops else at.producer()
        if node is None or node in found:
            return
        for source in node.inputs:
            visit(source)
        found[node] = None

    visit(value)
    return list(found)


def _readers(value: ir.Value) -> list[ir.Node]:
    """The nodes that read a value, as codes or as numbers."""
    found: dict[ir.Node, None] = {}
    for use in value.uses():
        if use.node.op_type in QUANTISES and not use.node.domain:
            found |= dict.fromkeys(_readers(use.node.outputs[0]))
        else:
            found[use.node] = None
    return list(found)
