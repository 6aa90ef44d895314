"""Tree ensembles as flat arrays, as a walk over trees reads them.

A node is a record of 32-bit words: threshold, question, the child if the answer is true, the child if it is false, and,
where some node asks for it, the child if the feature is NaN. The threshold takes one word (f32) or two (f64; records
then have an even number of words). The question is the feature, and above FEATURE_BITS the number of the mode if modes
differ. A leaf is a node whose children are itself, so a walk needs no test for leaves: it ends when nothing moves any
more. Where each leaf has one weight for the one target, the threshold is that weight; else the first word is the leaf's
number, and `starts`, `targets` and `weights` say what it adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")  # is the feature ... the threshold?
FEATURE_BITS = 24


@dataclass(frozen=True, eq=False)
class Ensemble:
    """The arrays that a walk reads. Two ensembles are equal only if they are the same object.

    nodes        i32[count, 4 to 6], see the module
    roots        i32[trees]
    starts       i32[leaves + 1], targets i32[pairs], weights [pairs]; None where leaves keep their weight themselves
    classes      for each target, whether some leaf adds to it
    modes        those that some node has; tracks_missing: NaN has a child of its own
    features     the number of features that rows must have at least
    """

    nodes: Array
    roots: Array
    modes: tuple[str, ...]
    tracks_missing: bool
    target_count: int
    features: int
    classes: tuple[bool, ...]
    has_negative: bool
    starts: Array | None = None
    targets: Array | None = None
    weights: Array | None = None

    @property
    def tree_count(self) -> int:
        return len(self.roots)
