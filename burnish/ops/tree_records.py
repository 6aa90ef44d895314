"""The records of a tree ensemble, from its nodes as a graph (language/ensemble.py has the form)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.ops.language.ensemble import FEATURE_BITS, LEAF, MODES, NAN_SHIFT, RECORD_BYTES, SPARE, Ensemble
from burnish.ops.registry import Misfit, Undefined

Array = np.ndarray[Any, Any]
MEMBER = len(MODES)
LEAF_MODE = MEMBER + 1
_WORDS = RECORD_BYTES // 4


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes by index, whichever way they were written. Leaves have mode LEAF_MODE and are their own children."""

    feature: Array
    threshold: Array
    mode: Array
    true: Array
    false: Array
    missing: Array
    roots: Array
    leaf: Array  # of each pair
    target: Array
    weight: Array


def ensemble_of(graph: Graph, target_count: int, dtype: np.dtype[Any]) -> Ensemble:
    """raises: Misfit if the graph contradicts itself; Undefined if it says what a walk over records cannot do"""
    count = len(graph.mode)
    _check(graph, count, target_count)
    by_leaf = np.argsort(graph.leaf, kind="stable")
    leaf, target, weight = graph.leaf[by_leaf], graph.target[by_leaf], graph.weight[by_leaf].astype(dtype)
    is_leaf = graph.mode == LEAF_MODE
    per_leaf = np.bincount(leaf, minlength=count)
    if (per_leaf[~is_leaf] > 0).any():
        raise Undefined("a tree ensemble with weights at inner nodes")
    first = np.where(is_leaf, 0, graph.threshold).astype(dtype)
    of_trees = _targets_of_trees(graph, leaf, target) if (per_leaf[is_leaf] == 1).all() else None
    extra: dict[str, Array]
    if of_trees is None:
        starts = np.r_[0, np.cumsum(per_leaf[is_leaf])]
        first.view(np.int32).reshape(count, -1)[is_leaf, 0] = np.arange(is_leaf.sum())
        extra = {"starts": starts.astype(np.int32), "targets": target.astype(np.int32), "weights": weight}
    else:
        first[leaf] = weight
        extra = {"targets": of_trees.astype(np.int32)}
    modes = np.unique(graph.mode[~is_leaf]) if not is_leaf.all() else np.zeros(1, np.int64)
    return Ensemble(
        nodes=_records(graph, first, len(modes) > 1),
        tree_count=len(graph.roots),
        modes=tuple(MODES[m] for m in modes),
        tracks_missing=_tracks_missing(graph),
        target_count=target_count,
        features=int(graph.feature[~is_leaf].max(initial=-1)) + 1,
        classes=tuple(bool(n) for n in np.isin(np.arange(target_count), target)),
        has_negative=bool((weight < 0).any()),
        **extra,
    )


def _tracks_missing(graph: Graph) -> bool:
    return bool(((graph.missing != 0) & (graph.mode != LEAF_MODE)).any())


def _records(graph: Graph, first: Array, names_modes: bool) -> Array:
    """Roots, then the two children of each inner node side by side. `first`: what the first words hold."""
    order, trees = _walking_order(graph), len(graph.roots)
    children = np.stack([graph.true[order], graph.false[order]], axis=1).ravel()
    source = np.r_[graph.roots, children].astype(np.int64)
    if len(source) * RECORD_BYTES >= 1 << 31:
        raise Undefined(f"a tree ensemble of {len(source)} nodes")
    place = np.full(len(graph.mode), LEAF, np.int64)
    place[order] = (trees + 2 * np.arange(len(order))) * RECORD_BYTES
    is_leaf = graph.mode == LEAF_MODE
    question = graph.feature
    if _tracks_missing(graph):
        goes_true = (graph.missing != 0) | (graph.mode == MODES.index("NEQ"))  # NaN differs from every number
        question = question | np.where(goes_true, 0, RECORD_BYTES) << NAN_SHIFT
    if names_modes:
        question = question | graph.mode << FEATURE_BITS
    words = first.view(np.int32).reshape(len(first), -1)
    nodes = np.zeros((max(len(source), trees + SPARE), _WORDS), np.int32)
    nodes[:, words.shape[1] + 1] = LEAF
    columns = [*words.T, np.where(is_leaf, 0, question), place]
    nodes[: len(source), : len(columns)] = (
        np.stack([c[source] for c in columns], axis=1).astype(np.uint32).view(np.int32)
    )
    return nodes


def _walking_order(graph: Graph) -> Array:
    """The inner nodes that some tree reaches, depth first, "true" first: a walk stays within few cache lines."""
    true, false, is_leaf = graph.true.tolist(), graph.false.tolist(), (graph.mode == LEAF_MODE).tolist()
    seen, order = bytearray(len(true)), []
    for root in graph.roots.tolist():
        stack = [root]
        while stack:
            node = stack.pop()
            if seen[node] or is_leaf[node]:
                continue
            seen[node] = 1
            order.append(node)
            stack += (false[node], true[node])
    return np.asarray(order, np.int64)


def _targets_of_trees(graph: Graph, leaf: Array, target: Array) -> Array | None:
    """The target to which all leaves of a tree add; one for all trees if it is the same. None if leaves disagree."""
    trees = len(graph.roots)
    of_leaf = np.zeros(len(graph.mode), np.int64)
    of_leaf[leaf] = target
    low, high = np.full(trees, np.iinfo(np.int64).max), np.full(trees, -1)
    nodes, owners = graph.roots.astype(np.int64), np.arange(trees)
    while len(nodes):
        at_leaf = graph.mode[nodes] == LEAF_MODE
        np.minimum.at(low, owners[at_leaf], of_leaf[nodes[at_leaf]])
        np.maximum.at(high, owners[at_leaf], of_leaf[nodes[at_leaf]])
        inner, owners = nodes[~at_leaf], owners[~at_leaf]
        keys = np.unique(np.r_[graph.true[inner], graph.false[inner]] * trees + np.r_[owners, owners])
        nodes, owners = keys // trees, keys % trees
    if (low != high).any():
        return None
    return low if len(np.unique(low)) > 1 else low[:1] if trees else np.zeros(1, np.int64)


def _check(graph: Graph, count: int, target_count: int) -> None:
    """Every index lies inside its array, and no walk goes in a circle."""
    for name in ("true", "false", "roots", "leaf"):
        index = getattr(graph, name)
        if len(index) and not 0 <= index.min() <= index.max() < count:
            raise Misfit("a tree's child, root or leaf is not one of its nodes")
    if len(graph.feature) and not 0 <= graph.feature.min() <= graph.feature.max() < 1 << FEATURE_BITS:
        raise Misfit(f"a node asks for feature {int(graph.feature.min())} or {int(graph.feature.max())}")
    if not len(graph.leaf) == len(graph.target) == len(graph.weight):
        raise Misfit("leaves, their targets and their weights differ in number")
    if len(graph.target) and not 0 <= graph.target.min() <= graph.target.max() < target_count:
        raise Misfit(f"a leaf adds to target {int(graph.target.max())} of {target_count}")
    reached = np.unique(graph.roots)
    for _ in range(count + 1):
        inner = reached[graph.mode[reached] != LEAF_MODE]
        if not len(inner):
            return
        reached = np.unique(np.r_[graph.true[inner], graph.false[inner]])
    raise Misfit("a tree's nodes go in a circle")
