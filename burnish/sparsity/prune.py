"""Make weights zero, by a pattern that hardware or passes can use.

    2:4            two of each four adjacent inputs; a product of fewer than 4 inputs, or of no multiple of 4, stays
    channels       whole channels, which leave the graph with the weights that make and read them
    unstructured   any weights: the least important of each layer

Without samples a weight's importance is its size. With samples it is the error that its loss makes, and the weights
that stay are fitted anew to what the layer gave (reconstruct.py). Nothing is trained: what is lost is measured
(compare.py), and a model that is trained on afterwards loses less.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir

from burnish.building.analyze import Prepared, prepare
from burnish.calibration.quantised_model import in_oldest_opset
from burnish.errors import UserError
from burnish.importers.load import load_model
from burnish.importers.profile import Range
from burnish.ops.registry import is_defined
from burnish.passes.channels.drop_dead_channels import STEP, keep_channels
from burnish.passes.channels.groups import Group, find_groups
from burnish.passes.pipeline import SPELLED_OUT
from burnish.passes.remove_unused import remove_unused
from burnish.passes.rewrite.constants import new_initializer
from burnish.sparsity.activity import Activity, find_activity
from burnish.sparsity.layers import Weight, each_weight
from burnish.sparsity.masks import GROUP, ON_GPUS, Array, largest, two_of_four
from burnish.sparsity.reconstruct import drop_terms, prune_columns

PATTERNS = ("2:4", "channels", "unstructured")
LARGEST_SIZE = 4096  # of an axis that is open in the model, and stays so
SPAN = 16  # terms of an output among which unstructured pruning chooses at a time
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Pruned:
    """The pruned model, and a line for each layer: its name, and what became of it. notes: what a user must know."""

    model: onnx.ModelProto
    layers: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


def prune(
    model: Any,
    pattern: str,
    *,
    share: float | None = None,
    keep: Sequence[str] = (),
    data: Any = None,
    preprocess: Any = None,
    shapes: Mapping[str, Any] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Pruned:
    """The optimised model with zeros in its weights, or with fewer channels.

    pattern:    one of PATTERNS; share: of a layer's weights, or of a group's channels; half if left out
    keep:       patterns of names of layers that stay as they are; "*" is any text
    data:       samples, as for `calibrate`, by which a weight's importance is judged; preprocess: as there
    raises:     E770 for another pattern or share, E771 if there is nothing to prune; E72x for the data
    """
    if pattern not in PATTERNS:
        raise _unusable(f"pattern {pattern!r}", f"there are {', '.join(PATTERNS)}")
    if share is not None and (pattern == "2:4" or not 0 < share < 1):
        why = "it takes half of each layer's weights" if pattern == "2:4" else "it must lie between 0 and 1"
        raise _unusable(f"a share of {share} with pattern {pattern}", why)
    activity = find_activity(model, data, preprocess, shapes, threads, progress) if data is not None else Activity()
    found = _prepared(model, shapes)
    graph = found.imported.model.graph
    work = _Pruning(graph, activity, tuple(keep), 0.5 if share is None else share)
    lines = work.channels() if pattern == "channels" else work.weights(pattern)
    if not any(done for _, done, _ in lines):
        raise _nothing(pattern, lines)
    remove_unused(found.imported.model, found.context)  # weights that others took the place of
    notes = (*found.profile.notes, *activity.notes, *work.unmatched(), *([ON_GPUS] if pattern == "2:4" else []))
    layers = tuple((name, text) for name, _, text in lines)
    return Pruned(in_oldest_opset(ir.to_proto(found.imported.model)), layers, notes)


def _prepared(model: Any, shapes: Mapping[str, Any] | None) -> Prepared:
    """The optimised model. Open sizes stay open where passes can leave them so; else a note names the fixed ones."""
    given: dict[str, Range] = {name: (shape,) * 3 for name, shape in (shapes or {}).items()}
    opened: dict[str, Range] = {}
    for value in load_model(model, is_defined).model.graph.inputs:
        sizes = [] if value.shape is None else list(value.shape)
        if value.name not in given and any(not isinstance(size, int) for size in sizes):
            least, most = ([n if isinstance(n, int) else end for n in sizes] for end in (1, LARGEST_SIZE))
            opened[str(value.name)] = least, least, most
    if opened:
        with suppress(UserError):  # sizes that must agree, or are counted on: one shape has them all
            return prepare(model, profile={**given, **opened}, passes=SPELLED_OUT)
    return prepare(model, shapes=shapes, passes=SPELLED_OUT)


Line = tuple[str, bool, str]


@dataclass(frozen=True)
class _Pruning:
    graph: ir.Graph
    activity: Activity
    keep: tuple[str, ...]
    share: float

    def weights(self, pattern: str) -> list[Line]:
        """Zeros inside layers."""
        return [self._layer(weight, pattern) for weight in list(each_weight(self.graph))]

    def _layer(self, weight: Weight, pattern: str) -> Line:
        name = str(weight.node.name)
        if why := self._stays(weight, pattern):
            return name, False, why
        rows = weight.rows
        sums = self.activity.sums.get(name)
        choose = two_of_four if pattern == "2:4" else lambda importance, column: largest(importance, self.share, column)
        if sums is None or len(sums) != rows.shape[1]:
            pruned = np.where(choose(np.abs(rows), 0), rows, 0)
        else:
            pruned = prune_columns(rows, sums, choose, GROUP if pattern == "2:4" else SPAN)
        new = new_initializer(self.graph, weight.from_rows(pruned), f"{name}.pruned")
        weight.node.replace_input_with(1, new)
        how = "by size alone" if sums is None else "and the others fitted to the samples"
        return name, True, f"{np.mean(pruned == 0):.0%} of its weights are 0, {how}"

    def _stays(self, weight: Weight, pattern: str) -> str:
        """Why a layer stays as it is; empty if it does not."""
        if self._is_kept(weight.node):
            return "kept as asked"
        inputs = weight.array.shape[weight.inputs]
        if pattern == "2:4" and inputs % GROUP:
            return f"its {inputs} inputs are no multiple of {GROUP}"
        return ""

    def channels(self) -> list[Line]:
        """Whole channels of each group, the least important first, in steps in which hardware computes."""
        lines = list[Line]()
        for group in list(find_groups(self.graph)):
            names = ", ".join(dict.fromkeys(str(maker.node.name) for maker in group.makers))
            if any(self._is_kept(maker.node) for maker in group.makers):
                lines.append((names, False, "kept as asked"))
                continue
            left = -(-round(group.size * (1 - self.share)) // STEP) * STEP
            if left >= group.size:
                lines.append((names, False, f"its {group.size} channels are too few to take {self.share:.0%} of them"))
                continue
            kept = np.sort(np.argsort(-self._channel_importance(group), kind="stable")[:left])
            fitted = {reader.node: self._fitted(reader.node, kept) for reader in group.readers}
            keep_channels(group, kept)
            for node, weights in fitted.items():
                if weights is not None:
                    node.replace_input_with(1, new_initializer(self.graph, weights, f"{node.name}.fitted"))
            lines.append((names, True, f"{left} of {group.size} channels stay"))
        return lines

    def _channel_importance(self, group: Group) -> Array:
        """What its readers do with a channel: the norm of their weights, times the usual size of what they read."""
        found = np.zeros(group.size)
        for reader in group.readers:
            others = tuple(a for a in range(reader.array.ndim) if a != reader.axis)
            norms = np.sqrt((reader.array.astype(np.float64) ** 2).sum(others))
            usual = self.activity.usual(reader.node, group.size)
            norms = norms * (self._made(group) if usual is None else usual)
            found += norms / max(float(norms.sum()), 1e-30)
        return found

    def _fitted(self, node: ir.Node, kept: Array) -> Array | None:
        """The weights of a reader after it lost channels; None without samples."""
        sums, weight = self.activity.sums.get(str(node.name)), Weight.of(node)
        if sums is None or weight is None or len(sums) != weight.rows.shape[1]:
            return None
        inputs = weight.array.shape[weight.inputs]
        terms = (np.arange(0, len(sums), inputs)[:, None] + kept).reshape(-1)
        return weight.from_rows(drop_terms(weight.rows, sums, terms), len(kept))

    def _made(self, group: Group) -> Array:
        """Without samples: the norm of the weights that make a channel."""
        squares = np.zeros(group.size)
        for maker in group.makers:
            others = tuple(a for a in range(maker.array.ndim) if a != maker.axis)
            squares += (maker.array.astype(np.float64) ** 2).sum(others)
        return np.sqrt(squares)

    def unmatched(self) -> list[str]:
        """A note for each pattern of `keep` that no layer has."""
        names = [str(weight.node.name) for weight in each_weight(self.graph)]
        return [
            f"no layer is named '{p}', which was to be kept"
            for p in self.keep
            if not any(fnmatchcase(n, p) for n in names)
        ]

    def _is_kept(self, node: ir.Node) -> bool:
        return any(fnmatchcase(str(node.name), pattern) for pattern in self.keep)


def _unusable(what: str, why: str) -> UserError:
    return UserError("E770", f"{what} is not possible", why=why, hint="burnish prune MODEL --pattern 2:4 -o OUT.onnx")


def _nothing(pattern: str, lines: Sequence[Line]) -> UserError:
    if lines:
        why = "; ".join(f"{name}: {text}" for name, _, text in lines[:3])
    elif pattern == "channels":
        why = "it has no channels that products of constant weights alone make and read"
    else:
        why = "it has no product with constant f32 weights"
    hint = "keep fewer layers, or choose another pattern or a larger share"
    return UserError("E771", f"nothing in this model can be pruned to {pattern}", why=why, hint=hint)
