"""Fold a constant Pad into the padding of the Conv or the pool after it.

    Conv(Pad(x, p, 0), W)             ->  Conv(x, W, pads + p)
    AveragePool(Pad(x, p, 0))         ->  AveragePool(x, pads + p, count_include_pad = 1)
    MaxPool(Pad(x, p, -inf))          ->  MaxPool(x, pads + p)

p >= 0 on the spatial axes only; an AveragePool must have counted its own padding. Exact. Runs after constants are
folded. A Pad with other users stays for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import onnx_ir as ir

from burnish.passes.forms.products import matched, rank_of
from burnish.passes.rewrite.constants import constant_integers, constant_number
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


@dataclass(frozen=True)
class Padding:
    """x padded at the beginning and the end of each axis with one value."""

    x: ir.Value
    begin: tuple[int, ...]
    end: tuple[int, ...]
    fill: float

    @property
    def spatial(self) -> tuple[int, ...]:
        """In the order of the attribute `pads`: all beginnings, then all ends, without batch and channels."""
        return (*self.begin[2:], *self.end[2:])


class FoldPad(Rule):
    op_types = ("Conv", "AveragePool", "MaxPool")

    def find(self, node: ir.Node) -> Match | Skip:
        value = node.inputs[0]
        pad = value.producer() if value is not None else None
        if pad is None or pad.op_type != "Pad" or pad.domain or pad.graph is not node.graph:
            return Skip(f"the input of {node.name} is not padded")
        padding = _padding_of(pad)
        if isinstance(padding, Skip):
            return padding
        refused = _refuse(node, pad, padding)
        return refused or matched(node, (node, pad), padding=padding)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node, padding = match.root, match.padding
        attributes: dict[str, Any] = {k: a.value for k, a in node.attributes.items() if k != "auto_pad"}
        pads = _pads_of(node, len(padding.spatial) // 2)
        attributes["pads"] = [own + p for own, p in zip(pads, padding.spatial, strict=True)]
        if node.op_type == "AveragePool":
            attributes["count_include_pad"] = 1
        result: ir.Value = op.node(node.op_type, padding.x, *node.inputs[1:], **attributes)
        folded = result.producer()
        assert folded is not None
        folded.meta.update(node.meta)
        return result


def _padding_of(pad: ir.Node) -> Padding | Skip:
    mode = pad.attributes.get("mode")
    if mode is not None and mode.as_string() != "constant":
        return Skip(f"{pad.name} pads by {mode.as_string()}")
    x, rank = pad.inputs[0], rank_of(pad.outputs[0])
    given = (*pad.inputs[1:], None, None, None)
    amounts = constant_integers(given[0])
    fill = 0 if given[1] is None else constant_number(given[1])
    if x is None or rank is None or amounts is None or fill is None:
        return Skip(f"the amounts, the value or the rank of {pad.name} are not known")
    axes = tuple(range(rank)) if given[2] is None else constant_integers(given[2])
    if axes is None or len(amounts) != 2 * len(axes):
        return Skip(f"the axes of {pad.name} are not known")
    begin, end = [0] * rank, [0] * rank
    for axis, low, high in zip(axes, amounts[: len(axes)], amounts[len(axes) :], strict=True):
        begin[axis % rank], end[axis % rank] = low, high
    if any(p < 0 for p in (*begin, *end)):
        return Skip(f"{pad.name} crops: {amounts}")
    if any((*begin[:2], *end[:2])):
        return Skip(f"{pad.name} pads the batch or the channels: {amounts}")
    return Padding(x, tuple(begin), tuple(end), float(fill))


def _refuse(node: ir.Node, pad: ir.Node, padding: Padding) -> Skip | None:
    neutral = float("-inf") if node.op_type == "MaxPool" else 0.0
    if padding.fill != neutral:
        return Skip(f"{pad.name} pads with {padding.fill:g}, {node.op_type} with {neutral:g}")
    auto_pad = node.attributes.get("auto_pad")
    if auto_pad is not None and auto_pad.as_string() not in ("NOTSET", "VALID"):
        return Skip(f"{node.name} has auto_pad {auto_pad.as_string()}, which depends on the padded size")
    if node.op_type == "Conv":
        return None
    if len(node.outputs) > 1 and node.outputs[1].uses():
        return Skip(f"the indices of {node.name} count the padding")
    ceil_mode = node.attributes.get("ceil_mode")
    if ceil_mode is not None and ceil_mode.as_int() == 1:
        return Skip(f"{node.name} rounds its size up, past its own padding but not past that of {pad.name}")
    counts = node.attributes.get("count_include_pad")
    kernel = node.attributes["kernel_shape"].as_ints() * 2
    if any(own + p >= k for own, p, k in zip(_pads_of(node, len(kernel) // 2), padding.spatial, kernel, strict=True)):
        return Skip(f"the padding would be as wide as the kernel of {node.name}")
    if node.op_type == "AveragePool" and any(_pads_of(node, 0)) and (counts is None or counts.as_int() == 0):
        return Skip(f"{node.name} does not count its own padding, but counts that of {pad.name}")
    return None


def _pads_of(node: ir.Node, spatial: int) -> tuple[int, ...]:
    """The node's own padding; auto_pad VALID means none."""
    auto_pad = node.attributes.get("auto_pad")
    if "pads" not in node.attributes or (auto_pad is not None and auto_pad.as_string() == "VALID"):
        return (0,) * (2 * spatial)
    return tuple(node.attributes["pads"].as_ints())
