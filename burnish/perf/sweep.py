"""Measure every level of a sweep, or search for the largest that keeps the latency limit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from burnish.errors import UserError
from burnish.perf.client.protocols import open_server, prepared
from burnish.perf.data.model import Model, describe
from burnish.perf.data.read_data import read_data
from burnish.perf.load.job import Job
from burnish.perf.load.try_once import try_once
from burnish.perf.load.workers import Workers
from burnish.perf.measure_level import Told, measure_level
from burnish.perf.options import Options
from burnish.perf.report import Level, Report, Result

LEAST_RATE_STEP = 0.02  # a search over rates ends at steps of this part of the range


def run_perf(options: Options, told: Told = lambda level, number, window: None) -> Report:
    """Measure a model that a server already has. told: hears of each window.

    raises: E680 to E689
    """
    server = open_server(options)
    model = describe(server.metadata(options.model, options.version), server.config(options.model, options.version))
    check_fit(model, options)
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with prepared(server, model, read_data(model, options), options) as requests:
        job = Job(server.endpoint, requests, options.sequences, options.timeout_s, options.streaming, options.headers)
        try_once(job)
        with Workers(job, options.processes) as workers:

            def measure(level: Level) -> Result:
                return measure_level(workers, level, options, (model.name, *model.composing), server, told)

            results = list(_search(options, measure) if options.search else _sweep(options, measure))
    return Report(
        model=model,
        server=server.identity(),
        url=server.endpoint.authority,
        protocol=options.protocol,
        batch=options.batch,
        processes=options.processes,
        judged_by="mean" if options.percentile is None else f"p{options.percentile:g}",
        date=date,
        results=tuple(sorted(results, key=lambda r: r.level.value)),
        latency_limit_ms=options.latency_limit_ms,
    )


def check_fit(model: Model, options: Options) -> None:
    """E680 for options that this model, or each other, do not go with."""
    problem = hint = ""
    if model.is_decoupled and not options.streaming:
        problem, hint = f"model '{model.name}' is decoupled: it may answer a request any number of times", "--streaming"
    elif options.search and options.latency_limit_ms is None:
        problem, hint = "a search needs a limit to search for", "--latency-limit 20"
    elif model.has_sequences and options.sequences is None:
        problem, hint = f"model '{model.name}' takes sequences, not single requests", "--sequence-length 20"
    elif options.streaming and options.protocol == "http" and (options.sequences or options.shared_memory != "none"):
        problem, hint = (
            "streams over HTTP (generate_stream) know neither sequences nor shared memory",
            "--protocol grpc",
        )
    if problem:
        raise UserError("E680", problem, hint=hint)


def _sweep(options: Options, measure: Callable[[Level], Result]) -> Iterator[Result]:
    """Level after level, until one exceeds the latency limit or answers nothing."""
    for level in levels_of(options):
        result = measure(level)
        yield result
        if not result.completed or exceeds(result, options):
            return


def _search(options: Options, measure: Callable[[Level], Result]) -> Iterator[Result]:
    """Halve the range between the first and the last level until the largest that keeps the limit is found."""
    levels = levels_of(options)
    low, high = levels[0].value, levels[-1].value
    step = max((high - low) * LEAST_RATE_STEP, 1e-9) if options.is_open else 1
    yield (first := measure(levels[0]))
    if exceeds(first, options):
        return
    yield (last := measure(levels[-1]))
    if not exceeds(last, options):
        return
    while high - low > step:
        middle = (low + high) / 2 if options.is_open else float(int(low + high) // 2)
        result = measure(Level(options.is_open, middle))
        yield result
        low, high = (low, middle) if exceeds(result, options) else (middle, high)


def levels_of(options: Options) -> Sequence[Level]:
    """What the options ask for, in their order. A list of distances is one level: its mean rate."""
    if options.intervals_s:
        return [Level(True, len(options.intervals_s) / sum(options.intervals_s))]
    return [Level(options.is_open, float(v)) for v in (options.rates or options.concurrency)]


def exceeds(result: Result, options: Options) -> bool:
    limit = options.latency_limit_ms
    return limit is not None and not result.judged_ms <= limit
