"""Execute a trtexec command: build or load, inspect, run, report."""

from __future__ import annotations

import time
from pathlib import Path

import burnish
from burnish.cli.progress import progress
from burnish.cli.trtexec import exports
from burnish.cli.trtexec.log import info, warning
from burnish.cli.trtexec.model_inputs import declared_shapes, expand_wildcards, make_inputs, overridden
from burnish.cli.trtexec.options import Options
from burnish.cli.trtexec.precision import check_layers, precision_arguments
from burnish.cli.trtexec.sections import dims, is_build_only, options_text, summary_text, trace_text
from burnish.cli.trtexec.timing import repeat_streams
from burnish.dims import evaluate
from burnish.plan import Manifest, Plan, check_place, read
from burnish.precision.precision import Decision
from burnish.runtime import Engine, load

PROFILED_RUNS = 20


def execute(options: Options) -> None:
    """Everything between `&&&& RUNNING` and `&&&& PASSED`."""
    info(options_text(options))
    for text in options.warnings:
        warning(text)
    plan, options = _built(options) if options.onnx else _loaded(options)
    manifest = plan.manifest
    if options.wants("getPlanVersionOnly"):
        info(f"Plan was created with {manifest.producer}")
        return
    if options.wants("dumpOptimizationProfile"):
        info("Optimization Profile Information:\n" + "\n".join(_profile_lines(manifest)))
    if is_build_only(options):
        info("Skipped inference phase since --skipInference is added.")
        return
    with load(plan, threads=options.threads, contexts=options.streams) as engine:
        _layer_info(options, engine)
        if not options.wants("timeDeserialize"):
            _infer(options, engine)


def _built(options: Options) -> tuple[Plan, Options]:
    declared = declared_shapes(options.onnx)
    options = expand_wildcards(options, list(declared))
    for name, shape in overridden(options, declared).items():
        warning(
            f"Dynamic dimensions required for input: {name}, but no shapes were provided. "
            f"Automatically overriding shape to: {dims(shape)}"
        )
    if options.save_engine:
        check_place(options.save_engine)
    decisions, start = list[Decision](), time.perf_counter()
    with progress() as advance:
        plan = burnish.build(
            options.onnx,
            shapes={name: shape for name, shape in options.shapes.items() if name not in options.ranges} or None,
            profile=options.ranges or None,
            target=options.target or None,
            workspace=options.workspace_bytes,
            **precision_arguments(options),
            explain_precision=decisions.append,
            explain=info if options.wants("verbose") else None,
            progress=advance,
            timing_cache=options.timing_cache or None,
            locked=options.wants("errorOnTimingCacheMiss"),
            opt_level=options.opt_level,
            note_tuning=warning,
        )
    check_layers(options, decisions)
    info(f"Engine built in {time.perf_counter() - start:.5g} sec.")
    for text in plan.manifest.notes:
        info(text)
    if options.save_engine:
        plan.save(options.save_engine)
        info(f"Created engine with size: {Path(options.save_engine).stat().st_size / (1 << 20):.6g} MiB")
    return plan, options


def _loaded(options: Options) -> tuple[Plan, Options]:
    start = time.perf_counter()
    plan = read(options.load_engine)
    if options.wants("getPlanVersionOnly"):
        return plan, options
    with load(plan, threads=options.threads):
        info(f"Engine deserialized in {time.perf_counter() - start:.5g} sec.")
    return plan, expand_wildcards(options, [t.name for t in plan.manifest.inputs])


def _layer_info(options: Options, engine: Engine) -> None:
    found = exports.layer_info(engine.manifest, engine.variant, options.profiling_verbosity)
    if options.wants("dumpLayerInfo"):
        info("Layer Information:")
        info("\n".join(["Layers:", *map(str, found["Layers"]), "", "Bindings:", *found["Bindings"]]))
    if "exportLayerInfo" in options.exports:
        exports.write_json(options.exports["exportLayerInfo"], found)


def _infer(options: Options, engine: Engine) -> None:
    inputs = make_inputs(options, engine.manifest)
    for name, array in inputs.items():
        source = options.load_inputs.get(name, "random values")
        info(f"Using {source} for input {name}, {dims(array.shape)}")
    info("Starting inference")
    runs, warm_ups = repeat_streams(
        [lambda: engine(inputs)] * options.streams,
        iterations=max(options.iterations, 1),
        duration_s=options.duration_s,
        warm_up_ms=options.warm_up_ms,
        sleep_ms=options.sleep_ms,
        idle_ms=options.idle_ms,
    )
    wall_ms = runs[-1].end_ms - min(r.start_ms for r in runs)
    info(trace_text(runs, warm_ups, options, wall_ms))
    info(summary_text(runs, options, wall_ms))
    if "exportTimes" in options.exports:
        exports.write_json(options.exports["exportTimes"], exports.times(runs))
    results = engine(inputs)
    if options.wants("dumpOutput"):
        info(exports.outputs_text(results))
    if "exportOutput" in options.exports:
        exports.write_json(options.exports["exportOutput"], exports.outputs(results))
    if options.wants("dumpRawBindingsToFile"):
        info("Written: " + ", ".join([*exports.raw_files(inputs, "input"), *exports.raw_files(results, "output")]))
    if options.wants("dumpProfile") or "exportProfile" in options.exports:
        with engine.create_context() as context:
            layers = context.profile(inputs, PROFILED_RUNS)
        if options.wants("dumpProfile"):
            info(exports.profile_text(layers, PROFILED_RUNS))
        if "exportProfile" in options.exports:
            exports.write_json(options.exports["exportProfile"], exports.profile(layers, PROFILED_RUNS))


def _profile_lines(manifest: Manifest) -> list[str]:
    columns = [
        {s.name: s.min for s in manifest.symbols},
        {s.name: s.opt for s in manifest.symbols},
        {s.name: s.max for s in manifest.symbols},
    ]
    lines = []
    for tensor in manifest.inputs:
        low, opt, high = (dims([evaluate(d, values) for d in tensor.shape]) for values in columns)
        lines.append(f"Model input {tensor.name} (profile 0): min={low}, opt={opt}, max={high}")
    return lines
