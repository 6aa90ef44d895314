"""Tree ensembles as flat arrays, as a walk over trees reads them.

A node is a record of four 32-bit words. The threshold takes one word (f32; the last one is then free) or two (f64).
Then comes the question: the feature, above FEATURE_BITS the number of the mode if modes differ, and above NAN_SHIFT how
far from the child for "true" a NaN goes. Then the place of the child for "true", in bytes from the first record; the
child for "false" is the next record. So a step needs no third load, and both children lie in one cache line. A node of
several parents has a record for each of them. A leaf's place is LEAF. Where each leaf has one weight, and all leaves of
a tree add to one target, a leaf's threshold is its weight; else its first word is its number, and `starts`, `targets`
and `weights` say what it adds.

The first records are the roots, in the order of the trees. After the last root at least SPARE records follow: several
walks go on side by side, and they may start a few walks too many.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")  # is the feature ... the threshold?
FEATURE_BITS = 24
MODE_MASK = 7
RECORD_BYTES = 16
NAN_SHIFT = 27  # the question shifted by so much is RECORD_BYTES for a node that sends NaN to "false", else 0
LEAF = -1
SPARE = 16


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The arrays that a walk reads. Two ensembles are equal only if they are the same object.

    nodes        i32[count, 4], see the module
    tree_count   the number of trees
    modes        those that some node has; tracks_missing: a NaN goes where the node says, not where the comparison says
    features     the number of features that rows must have at least
    classes      for each target, whether some leaf adds to it
    targets      i32[trees]: the target to which the leaves of a tree add; i32[1] if it is the same for all trees.
                 If leaves have lists: i32[pairs], with starts i32[leaves + 1] and weights [pairs]
    """

    nodes: Array
    tree_count: int
    modes: tuple[str, ...]
    tracks_missing: bool
    target_count: int
    features: int
    classes: tuple[bool, ...]
    has_negative: bool
    targets: Array
    starts: Array | None = None
    weights: Array | None = None
