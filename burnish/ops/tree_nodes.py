"""The nodes of a tree ensemble, from either of ONNX's two ways to write them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.ops.language.ensemble import MODES, Ensemble
from burnish.ops.registry import Misfit
from burnish.ops.tree_records import LEAF_MODE, MEMBER, Graph, ensemble_of

Array = np.ndarray[Any, Any]
_KEPT = 4  # ensembles that are remembered


def keyed_ensemble(attributes: Mapping[str, Any], kind: str, target_count: int, dtype: np.dtype[Any]) -> Ensemble:
    """TreeEnsembleClassifier's (kind "class") and TreeEnsembleRegressor's ("target") form: nodes have keys."""
    return _keyed_ensemble(_Attributes(attributes), kind, target_count, dtype)


def linked_ensemble(attributes: Mapping[str, Any], target_count: int, dtype: np.dtype[Any]) -> Ensemble:
    """TreeEnsemble's form: inner nodes and leaves are numbered apart, and children say which they are."""
    return _linked_ensemble(_Attributes(attributes), target_count, dtype)


class _Attributes:
    """A node's attributes, as a cache's key: a build asks several times, and large ensembles take a second."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        self.of = dict(attributes)
        self._content = tuple((name, _hashable(value)) for name, value in sorted(self.of.items()))
        self._hash = hash(self._content)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Attributes) and self._content == other._content


def _hashable(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tobytes()
    return tuple(value) if isinstance(value, list) else value


@functools.lru_cache(_KEPT)
def _keyed_ensemble(given: _Attributes, kind: str, target_count: int, dtype: np.dtype[Any]) -> Ensemble:
    attributes = given.of

    def ints(name: str) -> Array:
        return np.asarray(attributes.get(name, ()), np.int64)

    def floats(name: str) -> Array:
        wide = attributes.get(f"{name}_as_tensor")
        return np.asarray(attributes.get(name, ()) if wide is None else wide, dtype)

    trees, ids, names = ints("nodes_treeids"), ints("nodes_nodeids"), attributes.get("nodes_modes", ())
    count = len(trees)
    thresholds = floats("nodes_values")
    columns = (ids, names, ints("nodes_truenodeids"), ints("nodes_falsenodeids"), ints("nodes_featureids"), thresholds)
    if any(len(c) != count for c in columns):
        raise Misfit("the attributes nodes_* differ in length")
    known = {f"BRANCH_{name}": n for n, name in enumerate(MODES)} | {"LEAF": LEAF_MODE}
    foreign = sorted({str(n) for n in names} - set(known))
    if foreign:
        raise Misfit(f"nodes_modes holds {foreign[0]}")
    mode = np.array([known[str(n)] for n in names], np.int64)
    find = _finder(trees, ids)
    is_leaf = mode == LEAF_MODE
    own = np.arange(count)
    true = np.where(is_leaf, own, find(trees, np.where(is_leaf, ids, columns[2]), "nodes_truenodeids"))
    false = np.where(is_leaf, own, find(trees, np.where(is_leaf, ids, columns[3]), "nodes_falsenodeids"))
    missing = ints("nodes_missing_value_tracks_true")
    missing = missing if len(missing) == count else np.zeros(count, np.int64)
    roots = np.flatnonzero(np.r_[True, trees[1:] != trees[:-1]]) if count else own
    leaf = find(ints(f"{kind}_treeids"), ints(f"{kind}_nodeids"), f"{kind}_nodeids")
    pairs = Graph(
        columns[4], thresholds, mode, true, false, missing, roots, leaf, ints(f"{kind}_ids"), floats(f"{kind}_weights")
    )
    return ensemble_of(pairs, target_count, dtype)


@functools.lru_cache(_KEPT)
def _linked_ensemble(given: _Attributes, target_count: int, dtype: np.dtype[Any]) -> Ensemble:
    attributes = given.of

    def ints(name: str) -> Array:
        return np.asarray(attributes.get(name, ()), np.int64)

    inner, leaves = len(ints("nodes_featureids")), len(ints("leaf_targetids"))
    modes, splits = np.asarray(attributes["nodes_modes"], np.int64), np.asarray(attributes["nodes_splits"], dtype)
    sides = [
        (ints("nodes_truenodeids"), ints("nodes_trueleafs")),
        (ints("nodes_falsenodeids"), ints("nodes_falseleafs")),
    ]
    if any(len(c) != inner for c in (modes, splits, *(column for side in sides for column in side))):
        raise Misfit("the attributes nodes_* differ in length")
    true, false = (np.where(is_leaf != 0, number + inner, number) for number, is_leaf in sides)
    missing = ints("nodes_missing_value_tracks_true")
    missing = missing if len(missing) == inner else np.zeros(inner, np.int64)
    own, none = np.arange(inner, inner + leaves), np.zeros(leaves, np.int64)
    graph = Graph(
        feature=np.r_[ints("nodes_featureids"), none],
        threshold=np.r_[splits, none.astype(dtype)],
        mode=np.r_[modes, np.full(leaves, LEAF_MODE)],
        true=np.r_[true, own],
        false=np.r_[false, own],
        missing=np.r_[missing, none],
        roots=ints("tree_roots"),
        leaf=own,
        target=ints("leaf_targetids"),
        weight=np.asarray(attributes["leaf_weights"], dtype),
    )
    return ensemble_of(_without_sets(graph, attributes.get("membership_values")), target_count, dtype)


def _without_sets(graph: Graph, values: Array | None) -> Graph:
    """A node that asks whether a value is in a set becomes a chain of nodes that compare with one element each."""
    asking = np.flatnonzero(graph.mode == MEMBER)
    if not len(asking):
        return graph
    if values is None:
        raise Misfit("a node of mode MEMBER, but no membership_values")
    ends = np.flatnonzero(np.isnan(np.asarray(values, np.float64)))
    if len(ends) < len(asking):
        raise Misfit("membership_values has fewer sets than there are nodes of mode MEMBER")
    columns = {
        name: list(getattr(graph, name)) for name in ("feature", "threshold", "mode", "true", "false", "missing")
    }
    start = 0
    for node, end in zip(asking, ends):
        elements = list(values[start:end])
        start = end + 1
        otherwise = columns["false"][node]
        if not elements:  # nothing is in the empty set
            elements, columns["true"][node] = [np.nan], otherwise
        current = node
        for number, element in enumerate(elements):
            columns["threshold"][current], columns["mode"][current] = element, MODES.index("EQ")
            is_last = number == len(elements) - 1
            following = len(columns["mode"])
            columns["false"][current] = otherwise if is_last else following
            if not is_last:
                for name in columns:
                    columns[name].append(columns[name][node])
                current = following
    arrays = {name: np.asarray(column) for name, column in columns.items()}
    return Graph(**arrays, roots=graph.roots, leaf=graph.leaf, target=graph.target, weight=graph.weight)


def _finder(trees: Array, ids: Array) -> Callable[[Array, Array, str], Array]:
    """(tree, id) -> index of the node."""
    span = int(ids.max(initial=0)) + 1
    if min(trees.min(initial=0), ids.min(initial=0)) < 0:
        raise Misfit("a node has a negative number")
    keys = trees * span + ids
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    if (ordered[1:] == ordered[:-1]).any():
        raise Misfit("two nodes have the same tree and number")

    def find(tree: Array, number: Array, name: str) -> Array:
        if len(tree) != len(number):
            raise Misfit(f"{name} has {len(number)} entries for {len(tree)} trees' nodes")
        wanted = tree * span + number
        at = np.minimum(np.searchsorted(ordered, wanted), max(len(keys) - 1, 0))
        outside = (number < 0) | (number >= span)
        if len(wanted) and (not len(keys) or (outside | (ordered[at] != wanted)).any()):
            raise Misfit(f"{name} names a node that is not there")
        return order[at] if len(wanted) else np.zeros(0, np.int64)

    return find


def same_classes_in_a_tree(attributes: Mapping[str, Any]) -> bool:
    """Whether, in every tree, all leaves add to the same classes: then which classes have a score is known now."""
    trees, nodes, ids = (np.asarray(attributes.get(f"class_{n}", ()), np.int64) for n in ("treeids", "nodeids", "ids"))
    if not len(trees):
        return True
    pairs: Sequence[Array] = (trees, nodes, ids)
    distinct = np.unique(np.stack(pairs, 1), axis=0)
    leaves = np.unique(distinct[:, :2], axis=0)
    wanted = {int(t): int(n) for t, n in zip(*np.unique(leaves[:, 0], return_counts=True))}
    used = np.unique(distinct[:, [0, 2]], axis=0, return_counts=True)
    if any(int(n) != wanted[int(t)] for (t, _), n in zip(*used)):
        return False
    modes = np.asarray(attributes.get("nodes_modes", ()))
    all_leaves = np.asarray(attributes.get("nodes_treeids", ()), np.int64)[modes == "LEAF"]
    found = {int(t): int(n) for t, n in zip(*np.unique(all_leaves, return_counts=True))}
    return all(found.get(t) == n for t, n in wanted.items())
