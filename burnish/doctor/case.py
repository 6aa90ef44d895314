"""Everything that is known of one boundary where error is made: what the causes are told by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.doctor.difference import Difference
from burnish.doctor.finding import Cause, Finding
from burnish.doctor.meaning import Meaning
from burnish.doctor.observe import Observed, Sample, channel_axis
from burnish.doctor.reference import Reference
from burnish.doctor.tasks import Tasks
from burnish.passes.rewrite.rule import sources
from burnish.precision.roles import PRODUCTS

Array = np.ndarray[Any, Any]
LOST = 0.1  # of a tensor, in codes that never lie in memory
MOST_SAMPLES = 8  # whose numbers are kept to tell a cause
QUANTISES = ("QuantizeLinear", "DequantizeLinear")


@dataclass(frozen=True, eq=False)
class Case:
    """tensor: the f32 model's; axis: the one that counts its channels; error: that is made here
    region: the model's nodes whose work the launches did, in order; readers: those that read the result
    exact:  tensors of the f32 model around the boundary, a list of arrays for each, one a sample
    made:   the boundary's numbers, made of exact ones
    codes:  what the numbers are kept as, or were before they were numbers again; None for floats
    sources: the types in which the launches found what they read, by the f32 model's tensor; makers: the nodes that
             made those of 16 bits
    own_precision: what products are in that leave int8
    hidden: tensors in the region that become codes there which cannot keep them, and never lie in memory by themselves
    """

    observed: Observed
    tensor: str
    axis: int
    error: float
    region: tuple[ir.Node, ...]
    readers: tuple[ir.Node, ...]
    exact: Mapping[str, list[Array]]
    made: list[Array]
    codes: Meaning | None
    sources: Mapping[str, np.dtype[Any]]
    makers: tuple[str, ...] = ()
    own_precision: str = "fp32"
    hidden: tuple[Case, ...] = ()

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of what is stored."""
        return self.observed.boundary.slot.dtype.numpy

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
        name = layer or self.layer
        whole = next((sources(n) for n in (*self.region, *self.readers) if n.name == name), ())
        replaced = tuple(n for n in whole if n != name)
        return Finding(cause, name, self.tensor, evidence, self.error, nodes, word, advice, replaced)


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
        meaning, reads = own.boundary.meaning, own.boundary.reads
        sources = {meanings[r].tensor: tasks.program.tensors[r][1].dtype.numpy for r in reads if r in meanings}
        makers = [m for name, dtype in sources.items() if dtype.itemsize == 2 and (m := _maker(values, name))]
        codes = meaning if meaning.is_code else meaning.coded
        about = (own, own.tensor, own.axis, own.made.error, region, readers, kept, made, codes)
        found = Case(*about, sources, tuple(makers), own_precision)
        cases.append(replace(found, hidden=tuple(_hidden(found, meanings, reference.graph))))
    return cases


def _hidden(case: Case, meanings: Mapping[str, Meaning], graph: ir.Graph) -> Iterator[Case]:
    """A case for each QuantizeLinear inside the region whose codes lose too much."""
    for place, node in enumerate(case.region):
        codes = meanings.get(str(node.outputs[0].name))
        if node.op_type != "QuantizeLinear" or codes is None or not codes.is_code or case.codes is codes:
            continue
        if codes.tensor not in case.exact or (case.codes is not None and codes.tensor == case.tensor):
            continue
        axis = channel_axis(graph, codes.tensor)
        made = [codes.decode(codes.encode(a, codes.dtype)) for a in case.exact[codes.tensor]]
        loss = Difference(axis)
        for found, exact in zip(made, case.exact[codes.tensor]):
            loss.add(found, exact)
        if loss.error > LOST or loss.lost:
            region, readers = case.region[: place + 1], tuple(_readers(node.outputs[0]))
            inner = replace(case, tensor=codes.tensor, axis=axis, error=loss.error, region=region, readers=readers)
            yield replace(inner, made=made, codes=codes)


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
