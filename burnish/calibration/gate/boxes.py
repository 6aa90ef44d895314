"""Mean average precision of boxes, by COCO's own code (pycocotools): over overlaps of 0.50 to 0.95.

A picture's boxes are a mapping: "boxes" [n, 4] (x1, y1, x2, y2, in any unit), "scores" [n] (not needed of a truth) and
"labels" [n] (0 where they are left out).
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from burnish.calibration.gate.library_metrics import needed

Array = np.ndarray[Any, Any]
Boxes = Mapping[str, Any]


def mean_average_precision(found: Sequence[Boxes], truth: Sequence[Boxes]) -> float:
    """0 to 1 over all pictures; 1 if there is nothing to find and nothing is found.

    raises: E763 without pycocotools; ValueError for boxes that are not as the module says
    """
    true, ours = [read_boxes(t, scored=False) for t in truth], [read_boxes(f, scored=True) for f in found]
    if not any(len(t["boxes"]) for t in true):
        return float(not any(len(f["boxes"]) for f in ours))
    if not any(len(f["boxes"]) for f in ours):
        return 0.0
    coco = needed("pycocotools.coco", "map").COCO
    evaluate = needed("pycocotools.cocoeval", "map").COCOeval
    with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
        known = coco()
        known.dataset = _dataset(true)
        known.createIndex()
        answers = known.loadRes(_rows(ours, ("score", "scores")))
        run = evaluate(known, answers, "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return float(max(run.stats[0], 0.0))


def read_boxes(given: Boxes, *, scored: bool) -> dict[str, Array]:
    """The arrays, checked. A found box whose place or score is a NaN is none, though COCO's code would take it."""
    if not isinstance(given, Mapping) or "boxes" not in given or (scored and "scores" not in given):
        raise ValueError("a picture's boxes are a mapping with 'boxes', 'scores' and 'labels'")
    boxes = np.asarray(given["boxes"], np.float64).reshape(-1, 4)
    count = len(boxes)
    scores = np.asarray(given.get("scores", np.ones(count)), np.float64).reshape(-1)
    labels = np.asarray(given.get("labels", np.zeros(count)), np.int64).reshape(-1)
    if not len(scores) == len(labels) == count:
        raise ValueError(f"there are {count} boxes, {len(scores)} scores and {len(labels)} labels")
    is_box = np.isfinite(boxes).all(1) & ~np.isnan(scores)
    if not scored and not is_box.all():
        raise ValueError("a true box has a NaN or an infinite side")
    return {"boxes": boxes[is_box], "scores": scores[is_box], "labels": labels[is_box]}


def _dataset(truth: Sequence[dict[str, Array]]) -> dict[str, Any]:
    rows = [{"id": n, "iscrowd": 0, **row} for n, row in enumerate(_rows(truth, ("score", "scores")), 1)]
    labels = sorted({int(label) for t in truth for label in t["labels"]})
    return {
        "info": {},
        "images": [{"id": n} for n in range(len(truth))],
        "annotations": rows,
        "categories": [{"id": label} for label in labels],
    }


def _rows(pictures: Sequence[dict[str, Array]], score: tuple[str, str]) -> list[dict[str, Any]]:
    """A row for each box: COCO writes x, y, width, height."""
    found = []
    for number, each in enumerate(pictures):
        for box, own, label in zip(each["boxes"], each[score[1]], each["labels"], strict=True):
            width, height = float(box[2] - box[0]), float(box[3] - box[1])
            place = [float(box[0]), float(box[1]), width, height]
            found.append({"image_id": number, "category_id": int(label), "bbox": place, "area": width * height})
            found[-1][score[0]] = float(own)
    return found
