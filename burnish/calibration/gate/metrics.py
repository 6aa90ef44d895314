"""What is measured between the outputs of a plan and those in f32, and against labels where there are any.

cos=1e-3       mean over the samples of 1 - cosine between the outputs, of a run of several samples each row apart; 1
               where one is NaN or Inf and f32's is not
sqnr=30dB      signal to quantisation noise over all samples, at least
psnr=40dB      peak signal to noise of the first output over all samples, at least; the peak is its range in f32
ssim=0.99      mean structural similarity of the first output's planes [..., H, W], at least; or of decoded images
top1=0.5%      share of samples whose label is among the 1 (or 5: top5) largest scores of the first output, f32's less
               ours; without labels: share of samples whose largest score is not among ours
map=0.01       mean average precision of boxes (COCO's, 0 to 1), f32's less ours; without labels: 1 less ours, of the
               boxes that f32 finds with a score of at least 0.5
spearman=0.005 rank correlation of one number a sample with the labels, f32's less ours; without: 1 less that with f32's
wer=0.01       word error rate of decoded texts, ours less f32's; without labels: ours against f32's texts

A metric gets what `decode` makes of each run's outputs, where a decoder is given; docs/quantization.md says what it
returns. A NaN never passes: it is the wrong class, the last box, the worst correlation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.calibration.gate.boxes import Boxes, mean_average_precision, read_boxes
from burnish.calibration.gate.library_metrics import correlation, each_first, peak_signal, similarity, word_errors
from burnish.errors import UserError

Array = np.ndarray[Any, Any]
Outputs = Sequence[Mapping[str, Array]]
Decode = Callable[[Mapping[str, Array]], Any]
ROUNDING = 1e-15  # of a cosine in f64: a smaller distance is none
SURE = 0.5  # a box of f32's with at least this score is true, where there are no labels


@dataclass(frozen=True)
class Answers:
    """The outputs of each run, and what a decoder made of them: one item for each picture, text or number.

    rows: how many samples each run is; None: one
    """

    outputs: Outputs
    items: Sequence[Any] | None = None
    rows: Sequence[int] | None = None


Measure = Callable[[Answers, Answers, Any], float]


def cosine(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """Mean of 1 - cosine over the samples, all outputs of a sample as one vector."""
    rows = exact.rows or [1] * len(exact.outputs)
    pairs = zip(ours.outputs, exact.outputs, rows, strict=True)
    found = (_one_minus_cosine(x, y) for a, b, n in pairs for x, y in zip(_by_row(a, n), _by_row(b, n), strict=True))
    return float(np.mean(list(found)))


def sqnr(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """In dB, over all samples; infinite if nothing differs."""
    noise = sum(float(((_flat(a) - _flat(b)) ** 2).sum()) for a, b in zip(ours.outputs, exact.outputs, strict=True))
    return _decibel(sum(float((_flat(b) ** 2).sum()) for b in exact.outputs), noise)


def noise_share(ours: Answers, exact: Answers) -> float:
    """Noise over signal, over all samples: a measure for what a metric of few samples cannot tell apart."""
    found = sqnr(ours, exact)
    return 0.0 if found == float("inf") else 10 ** min(-found / 10, 300.0)


def psnr(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """In dB, of the first output; the peak is the difference of its largest and smallest number in f32."""
    return peak_signal(ours.outputs, exact.outputs)


def ssim(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """Of decoded images, or of the first output."""
    return similarity(ours.items or _first(ours), exact.items or _first(exact))


def top(k: int) -> Measure:
    """The metric of the k largest scores, in percent of the samples; see the module."""

    def top_k(ours: Answers, exact: Answers, labels: Any = None) -> float:
        mine, theirs = _largest(ours, k), _largest(exact, k)
        if labels is None:
            return float(np.mean(~_holds(mine, theirs[:, 0])) * 100)
        truth = np.asarray(labels).reshape(-1)
        _check_count(len(truth), len(theirs))
        _check_classes(truth, _scores(next(each_first(exact.outputs))).shape[1])
        return float((np.mean(_holds(theirs, truth)) - np.mean(_holds(mine, truth))) * 100)

    return top_k


def boxes(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """See `map` in the module."""
    found, known = ([_picture(item) for item in x.items or x.outputs] for x in (ours, exact))
    if labels is None:
        return 1 - mean_average_precision(found, [_sure(picture) for picture in known])
    _check_count(len(labels), len(known))
    return mean_average_precision(known, labels) - mean_average_precision(found, labels)


def spearman(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """See the module."""
    mine, theirs = (_numbers(x.items or _first(x)) for x in (ours, exact))
    if labels is None:
        return 1 - correlation(mine, theirs)
    _check_count(len(labels), len(theirs))
    return correlation(theirs, labels) - correlation(mine, labels)


def wer(ours: Answers, exact: Answers, labels: Any = None) -> float:
    """See the module."""
    mine, theirs = (_texts(x) for x in (ours, exact))
    if labels is None:
        return word_errors(mine, theirs)
    _check_count(len(labels), len(theirs))
    return word_errors(mine, labels) - word_errors(theirs, labels)


MEASURES: dict[str, tuple[Measure, bool, str]] = {
    "cos": (cosine, False, ""),
    "sqnr": (sqnr, True, "dB"),
    "psnr": (psnr, True, "dB"),
    "ssim": (ssim, True, ""),
    "map": (boxes, False, ""),
    "spearman": (spearman, False, ""),
    "wer": (wer, False, ""),
}


def measure_of(name: str) -> tuple[Measure, bool, str] | None:
    """A metric, whether more of it is better, and its unit; None for an unknown name."""
    found = re.fullmatch(r"top([1-9]\d*)", name)
    return (top(int(found[1])), False, "%") if found else MEASURES.get(name)


def _decibel(signal: float, noise: float) -> float:
    """-infinity if the noise is no number."""
    if not np.isfinite(noise):
        return float("-inf")
    return float("inf") if noise == 0 else float(10 * np.log10(max(signal, 1e-300) / noise))


def _first(answers: Answers) -> list[Array]:
    return list(each_first(answers.outputs))


def _numbers(arrays: Sequence[Any]) -> Array:
    """One number for each sample. ValueError if an output holds more for each row."""
    found = [np.asarray(a, np.float64) for a in arrays]
    if any(a.size != (len(a) if a.ndim else 1) for a in found):
        raise ValueError("one number for each sample is needed; a decoder can make it of the outputs")
    return np.concatenate([a.reshape(-1) for a in found])


def _texts(answers: Answers) -> list[str]:
    if answers.items is None or not all(isinstance(item, str) for item in answers.items):
        raise ValueError("texts are needed: a decoder that makes a str, or a list of them, of a run's outputs")
    return list(answers.items)


def _picture(item: Any) -> Boxes:
    """A picture's boxes: decoded, or the outputs 'boxes', 'scores' and 'labels' of a run of one picture."""
    if isinstance(item, Mapping) and "boxes" in item and np.ndim(item["boxes"]) == 3 and len(item["boxes"]) == 1:
        item = {name: np.asarray(array)[0] for name, array in item.items() if name in ("boxes", "scores", "labels")}
    return read_boxes(item, scored=True)


def _sure(picture: Boxes) -> Boxes:
    keep = picture["scores"] >= SURE
    return {name: array[keep] for name, array in picture.items()}


def _check_count(labels: int, answers: int) -> None:
    if labels != answers:
        why = f"there are {labels} labels and {answers} answers"
        raise UserError("E727", "the labels do not fit the data", why=why, hint="one label for each sample")


def _check_classes(labels: Array, classes: int) -> None:
    """A label that no row can have counts as wrong for both sides, so that any plan would pass."""
    numbers = labels.astype(np.float64) if labels.dtype.kind in "fiub" else np.full(labels.shape, np.nan)
    fits = (numbers == np.rint(numbers)) & (numbers >= 0) & (numbers < classes)
    if not fits.all():
        why = f"{labels[~fits][0]!s} is no class: the model has {classes}, from 0 to {classes - 1}"
        hint = "one number for each sample, in the order of the model's scores"
        raise UserError("E727", "the labels do not fit the data", why=why, hint=hint)


def _scores(output: Array) -> Array:
    """A run's first output, [rows, scores]."""
    return output.reshape(-1, output.shape[-1]) if output.ndim < 3 else output.reshape(len(output), -1)


def _largest(answers: Answers, k: int) -> Array:
    """The places of the k largest scores of each row of the first output, [rows, k]; -1 for a row with a NaN."""
    return np.concatenate([_largest_of(_scores(output), k) for output in each_first(answers.outputs)])


def _largest_of(scores: Array, k: int) -> Array:
    if k > scores.shape[1]:
        raise ValueError(f"top{k} of {scores.shape[1]} scores")
    places = np.argsort(-scores.astype(np.float64), axis=1, kind="stable")[:, :k]
    places[np.isnan(scores).any(1)] = -1
    return places


def _holds(places: Array, wanted: Array) -> Array:
    """Is each row's wanted class among its places? A row with a NaN holds none."""
    found: Array = ((places == wanted[:, None]) & (places >= 0)).any(1)
    return found


def _by_row(outputs: Mapping[str, Array], rows: int) -> list[Array]:
    """All outputs of each sample as one vector. Outputs that are not of so many rows are one sample's."""
    if rows < 2 or any(np.shape(a)[:1] != (rows,) for a in outputs.values()):
        return [_flat(outputs)]
    return [_flat({name: a[row] for name, a in outputs.items()}) for row in range(rows)]


def _flat(outputs: Mapping[str, Array]) -> Array:
    numbers = [np.asarray(a, np.float64).reshape(-1) for a in outputs.values() if a.dtype.kind in "fiub"]
    return np.concatenate(numbers) if numbers else np.zeros(0)


def _one_minus_cosine(a: Array, b: Array) -> float:
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return 1.0  # as far as a right angle: of a NaN no cosine is known
    a, b = a[finite], b[finite]
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size == 0:
        return float(np.any(a) != np.any(b))
    found = 1 - float(a @ b) / size
    return found if found > ROUNDING else 0.0
