"""Find the ranges of a model's tensors: run samples through it in f32, and count the numbers in what products read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import onnx_ir as ir

from burnish.arguments import expect_function
from burnish.building import build
from burnish.building.analyze import Prepared
from burnish.calibration.channel_sums import ChannelSums
from burnish.calibration.checkpoint import Tally, delayed_interrupt, load_tally, model_digest, resume, save_tally
from burnish.calibration.counting import counting
from burnish.calibration.histogram import Histogram
from burnish.calibration.preprocess import Preprocess, load_preprocess
from burnish.calibration.sample_shapes import prepare_for_samples
from burnish.calibration.samples import Samples, has_rows, open_samples, rows_of
from burnish.calibration.thresholds import DEFAULTS, choose_range, parse_method
from burnish.errors import UserError
from burnish.passes.pipeline import PORTABLE, SPELLED_OUT
from burnish.precision.layers import LayerRule, precision_of_nodes
from burnish.precision.precision import Decision
from burnish.precision.precision_config import PrecisionConfig, read_precision_config
from burnish.precision.quantise.attention import find_attention
from burnish.precision.quantise.points import Point, digest_of, find_points, only_depthwise
from burnish.precision.quantise.quantise import nothing_to_quantise
from burnish.precision.ranges import Ranges
from burnish.precision.words import FP8, INT8, KINDS, kind_of
from burnish.runtime import Engine, load

Array = np.ndarray[Any, Any]
Progress = Callable[[str, int, int], None]


def calibrate(
    model: Any,
    data: Any,
    *,
    method: str | None = None,
    precision: str = INT8,
    precision_config: PrecisionConfig = None,
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    threads: int | None = None,
    preprocess: str | os.PathLike[str] | None = None,
    cache: str | os.PathLike[str] | None = None,
    channels: bool = True,
    progress: Progress | None = None,
) -> Ranges:
    """Run samples through a model in f32 on this CPU, and choose a range for each tensor that becomes codes.

    model, shapes, profile, batch: as for `build`; open inputs that none names have the samples' shapes
    data:       a file, a folder of files, or an iterable of samples (calibration/samples.py)
    preprocess: a .toml or .py file that states how images and audio become inputs (calibration/preprocess.py)
    cache:      a file that keeps the histograms (checkpoint.py): an interrupted run goes on after the samples
                that it counted, and another method runs nothing again
    precision:  the codes that ranges are chosen for: int8 or fp8; precision_config: those of some nodes, as for `build`
    method:     entropy (the default for int8), minmax (for fp8), mse or percentile:99.9, each with +asymmetric or
                without (calibration/thresholds.py)
    channels:   also find the mean of each channel, which corrects biases, and a range for each channel of what
                depthwise convolutions read
    progress:   gets what is done, how many samples, and how many of them there are (0: not known)
    raises:     E721 if there are no samples, E722 for one that does not fit, E723 for an unknown method, E724 for a
                tensor of which no number is finite, E745 if it is not stated how files become inputs; E747 or
                E748 for a cache that is none, or of another model or other data; E1xx and E2xx for the model
    """
    kind, rules = _kind(precision), read_precision_config(precision_config)
    asked = {kind, *(kind_of(rule.precision) for rule in rules)} - {""}
    for each in asked:
        parse_method(method or DEFAULTS[each], each)
    passes = SPELLED_OUT if FP8 in asked else PORTABLE
    if progress is not None:
        expect_function("progress", progress, "progress=function")
    stated = None if preprocess is None else load_preprocess(preprocess)
    found, data, open_notes = prepare_for_samples(
        model, data, stated, shapes=shapes, profile=profile, batch=batch, passes=passes
    )
    given = Data(data, stated, None if cache is None else Path(cache))
    kinds = _kinds_of_tensors(found.imported.model.graph, kind, rules)
    with capturing(found, threads) as capture:
        sums = _channel_sums(capture) if channels else {}
        tally = count_samples(capture, given, progress or (lambda what, done, total: None), sums=sums)
    tensors = {
        name: choose_range(counts, method or DEFAULTS[kinds[name]], kinds[name])
        for name, counts in tally.histograms.items()
    }
    means, magnitudes = ({n: tuple(r.tolist()) for n, r in rows.items()} for rows in channel_rows(tally))
    words = (capture.products, method or DEFAULTS[kind], tally.samples, (*open_notes, *notes_of(tally, capture.kept)))
    return Ranges(tensors, *words, means=means, magnitudes=magnitudes)


def _kind(precision: str) -> str:
    """The kind of codes of a precision. E610 if it has none."""
    if isinstance(precision, str) and (kind := kind_of(precision)):
        return kind
    what = f"precision {precision!r} has no codes to calibrate for"
    raise UserError("E610", what, why=f"there are {' and '.join(KINDS)}", hint=f"precision='{INT8}'")


def _kinds_of_tensors(graph: ir.Graph, kind: str, rules: Sequence[LayerRule]) -> dict[str, str]:
    """The codes of each tensor that a product reads: int8, if one of its readers multiplies that."""
    own = {node: found for node, word in precision_of_nodes(graph, rules).items() if (found := kind_of(word))}
    read: dict[str, set[str]] = {}
    for point in find_points(graph)[0]:
        read.setdefault(str(point.data.name), set()).add(own.get(point.node, kind))
    for attention in find_attention(graph):
        for value in attention.data:
            read.setdefault(str(value.name), {FP8})
    return {name: INT8 if INT8 in found else FP8 for name, found in read.items()}


def channel_rows(tally: Tally) -> tuple[dict[str, Array], dict[str, Array]]:
    """The means of channels, and their largest magnitudes, by tensor; those that are known."""
    means = {name: row for name, c in tally.channels.items() if (row := c.means) is not None}
    return means, {name: row for name, c in tally.channels.items() if (row := c.magnitudes) is not None}


class Data(NamedTuple):
    """Where samples come from, how files become inputs, and the file that keeps the histograms."""

    source: Any
    stated: Preprocess | None = None
    cache: Path | None = None


class Capture(NamedTuple):
    """An engine whose outputs are what products read, their points, and the model's digest.

    products: their digest; kept: why other products have no point
    is_batched: is the first axis of its inputs that of samples?
    depthwise: the tensors that depthwise convolutions alone read
    attended: q, k and v of attentions that are spelled out, which float8 multiplies
    """

    engine: Engine
    points: tuple[Point, ...]
    kept: tuple[Decision, ...]
    products: str
    model: str
    is_batched: bool
    depthwise: frozenset[str]
    attended: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The tensors, each once."""
        return list(dict.fromkeys((*(str(point.data.name) for point in self.points), *self.attended)))


class Watch(Protocol):
    """Who sees more of the tensors than their histograms."""

    def see(self, name: str, numbers: Array, counts: Histogram) -> None:
        """A tensor of a run, which its histogram has counted. Threads call it, each for other tensors."""

    def end(self, tally: Tally) -> None:
        """The run is counted."""


@contextmanager
def capturing(found: Prepared, threads: int | None) -> Iterator[Capture]:
    """Build the model in f32 so that a run gives each tensor that a product reads."""
    model = found.imported.model
    (points, kept), digest = find_points(model.graph), model_digest(model.graph)
    products = digest_of(points)
    depthwise = frozenset(str(p.data.name) for p in points if only_depthwise(p.data))
    outputs = model.graph.outputs
    firsts = {value.shape[0] if value.shape else None for value in outputs}
    attended = [value for attention in find_attention(model.graph) for value in attention.data]
    captured = [v for v in dict.fromkeys((*(p.data for p in points), *attended)) if not v.is_graph_input()]
    outputs[:] = captured or outputs[:1]  # what leads to other outputs alone need not run
    names = tuple(str(value.name) for value in attended)
    with load(build(model, profile=found.profile.ranges), threads=threads) as engine:
        inputs = engine.manifest.inputs
        yield Capture(engine, points, kept, products, digest, has_rows(inputs, firsts), depthwise, names)


def _channel_sums(capture: Capture) -> dict[str, ChannelSums]:
    """One for each tensor whose readers agree on its axis of channels."""
    axes: dict[str, set[int]] = {}
    for point in capture.points:
        axes.setdefault(str(point.data.name), set()).add(point.channel_axis)
    return {
        name: ChannelSums(found.pop(), name in capture.depthwise) for name, found in axes.items() if len(found) == 1
    }


def count_samples(
    capture: Capture,
    data: Data,
    progress: Progress,
    watch: Watch | None = None,
    sums: Mapping[str, ChannelSums] | None = None,
) -> Tally:
    """A histogram of each tensor that a product reads. sums: of channels, to count as well"""
    engine = capture.engine
    tally = Tally(capture.model, {name: Histogram() for name in capture.names}, channels=dict(sums or {}))
    samples = open_samples(data.source, engine.manifest.inputs, data.stated, engine.manifest.symbols)
    if data.cache is None:
        _run(capture, tally, iter(samples), lambda done: progress("calibrate", done, samples.count or 0), watch)
    else:
        _run_from(data.cache, capture, tally, samples, progress)
    for name, counts in tally.histograms.items():
        if counts.bad == counts.count:
            why, hint = "each of its numbers is NaN or Inf, in every sample", "look at the data: a NaN stays one"
            if not counts.count:
                why, hint = "it holds no numbers, in any sample", "look at the data: an axis of it has the size 0"
            raise UserError("E724", f"tensor '{name}' has no range", why=why, hint=hint)
    return tally


def _run_from(cache: Path, capture: Capture, tally: Tally, samples: Samples, progress: Progress) -> None:
    """Go on after the samples that a file of histograms has counted, and keep what is counted there, come what may."""
    items = iter(samples)
    if cache.exists():
        resume(load_tally(cache), tally, items)
    before = tally.runs
    with delayed_interrupt() as pressed:

        def go_on(done: int) -> None:
            progress("calibrate", done, samples.count or 0)
            if pressed.is_set():
                raise KeyboardInterrupt

        def known() -> Iterator[Mapping[str, Array]]:
            for sample in items:
                yield sample
                tally.know(sample)

        try:
            _run(capture, tally, known(), go_on)
        finally:
            if tally.is_whole and tally.runs > before:
                save_tally(tally, cache)
    if pressed.is_set():  # during the last run: nothing looked at it since
        raise KeyboardInterrupt


def _run(
    capture: Capture,
    tally: Tally,
    samples: Iterator[Mapping[str, Array]],
    go_on: Callable[[int], None],
    watch: Watch | None = None,
) -> None:
    """Run samples and count their tensors. go_on: called before each run with the number of runs counted"""
    engine = capture.engine
    run = _Runs(engine)
    counting()  # compiled once, before several threads need it at the same time
    with ThreadPoolExecutor(engine.threads) as pool:
        for sample in samples:
            go_on(tally.runs)
            seen = {**sample, **run(sample)}
            tally.is_whole = False
            _count(tally, seen, pool, engine.threads, watch)
            tally.runs, tally.is_whole = tally.runs + 1, True
            tally.samples += rows_of(sample, capture.is_batched)
            if watch is not None:
                watch.end(tally)


def _count(
    tally: Tally,
    seen: Mapping[str, Array],
    pool: ThreadPoolExecutor,
    threads: int,
    watch: Watch | None,
) -> None:
    """Count one run's tensors; each thread gets a part of them, the large ones first."""
    histograms, channels = tally.histograms, tally.channels
    names = sorted(histograms, key=lambda name: -seen[name].size)

    def add(first: int) -> None:
        for name in names[first::threads]:
            histograms[name].add(seen[name])
            if name in channels:
                channels[name].add(seen[name])
            if watch is not None:
                watch.see(name, seen[name], histograms[name])

    for _ in pool.map(add, range(threads)):
        pass


class _Runs:
    """Runs that write their outputs where the one before did: fresh memory costs the system a fault for each page."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._out: dict[str, Array] = {}

    def __call__(self, sample: Mapping[str, Array]) -> dict[str, Array]:
        shapes = {name: array.shape for name, array in sample.items()}
        if shapes != self._shapes:
            self._shapes, self._out = shapes, {}
        results = self._engine(sample, out=self._out or None)
        if not self._out:
            fixed = self._engine.output_shapes(shapes)
            self._out = {name: array for name, array in results.items() if fixed[name] is not None}
        return results


def notes_of(tally: Tally, kept: Sequence[Decision]) -> list[str]:
    """What a user must know about the data."""
    notes = []
    if not tally.histograms:
        notes.append(nothing_to_quantise(kept))
    if tally.samples < 2:
        notes.append("one sample: the ranges are those of that sample")
    return [*notes, *tensor_notes(tally)]


def tensor_notes(tally: Tally) -> list[str]:
    """What a user must know about single tensors."""
    notes = []
    for name, counts in tally.histograms.items():
        if counts.bad:
            notes.append(f"{name}: {counts.bad} of {counts.count} numbers are NaN or Inf; they were left out")
        elif counts.low == counts.high:
            notes.append(f"{name} was {counts.low:.4g} in every sample")
    silent = {name: count for name in tally.histograms if (count := _silent_channels(tally, name))}
    if silent:
        count, some = sum(silent.values()), f"tensors such as '{next(iter(silent))}'"
        notes.append(f"channels that were 0 in every sample: {count}, of {some}; burnish calib report names them")
    return notes


def _silent_channels(tally: Tally, name: str) -> int:
    """How many channels were 0 in every sample, though the tensor was not; 0 where that is not known."""
    counts, found = tally.histograms[name], tally.channels.get(name)
    if found is None or not found.count or not counts.largest:
        return 0
    if found.has_ends:
        return int(np.count_nonzero((found.ends == 0).all(0)))
    return int(np.count_nonzero(found.sums == 0)) if counts.low >= 0 else 0
