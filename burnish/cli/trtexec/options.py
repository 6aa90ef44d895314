"""trtexec's command line: `--flag=value`, `--flag value` and `--switch`, as one frozen object."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field

from burnish.arguments import parse_size
from burnish.cli.parse_shapes import Ranges, Shapes, parse_ranges, parse_shapes
from burnish.cli.trtexec.flags import IGNORED, KNOWN, REFUSED, SWITCHES, TAKES_VALUE, VALUES, WARNED
from burnish.errors import UserError
from burnish.precision.words import FP8, INT8, joined

RANGE_FLAGS = ("--minShapes", "--optShapes", "--maxShapes")
TYPES = ("fp32", "fp16", "bf16", "int8", "fp8")
ON, OFF = ("", "1", "true", "on"), ("0", "false", "off")


@dataclass(frozen=True)
class Options:
    """The parsed options. warnings: a line for each flag that was accepted but has no effect."""

    onnx: str = ""
    save_engine: str = ""
    load_engine: str = ""
    shapes: Shapes = field(default_factory=dict)
    ranges: Ranges = field(default_factory=dict)
    workspace_bytes: int | None = None
    timing_cache: str = ""
    opt_level: int = 0
    precision: str = "fp32"
    calib: str = ""
    constraints: str = "none"
    layers: tuple[tuple[str, str], ...] = ()  # patterns of names and precisions, where they hold
    target: str = ""
    iterations: int = 10
    duration_s: float = 3.0
    warm_up_ms: float = 200.0
    sleep_ms: float = 0.0
    idle_ms: float = 0.0
    streams: int = 1
    threads: int | None = None
    average_runs: int = 10
    percentiles: tuple[float, ...] = (90.0, 95.0, 99.0)
    load_inputs: dict[str, str] = field(default_factory=dict)
    profiling_verbosity: str = "layer_names_only"
    exports: dict[str, str] = field(default_factory=dict)
    switches: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = ()

    @property
    def must_obey(self) -> bool:
        """--precisionConstraints=obey"""
        return self.constraints == "obey"

    @property
    def has_both_codes(self) -> bool:
        """May a product be in int8 or in float8?"""
        return self.wants("best") or (self.wants("int8") and self.wants("fp8"))

    def wants(self, switch: str) -> bool:
        return switch in self.switches


def parse_options(arguments: Sequence[str]) -> Options:
    """E630 unknown flag, E631 refused flag, E632 invalid value, E633 no model."""
    given = _read(arguments)
    warnings = [f"--{name}: {WARNED[name]}" for name, value in given if name in WARNED and value not in OFF]
    if values_of(given, "layerPrecisions") and values_of(given, "precisionConstraints") in ("", "none"):
        warnings.append("--layerPrecisions changes nothing: give --precisionConstraints=prefer or =obey too")
    switches = frozenset(name for name, value in given if name in SWITCHES and value not in OFF)
    values = {name: value for name, value in given if name in VALUES}
    threads = dict(given).get("threads", "")
    for name in ("inputIOFormats", "outputIOFormats"):
        if any(not part.endswith(":chw") for part in values.get(name, "").split(",") if part):
            raise _bad(name, values[name], "tensors are row-major; only formats that end in :chw")
    for name in ("useProfile", "device"):
        if values.get(name, "0") != "0":
            raise _bad(name, values[name], VALUES[name])
    options = Options(
        onnx=values.get("onnx", ""),
        save_engine=values.get("saveEngine", ""),
        load_engine=values.get("loadEngine", ""),
        shapes=parse_shapes(_list(values, "shapes"), "--shapes"),
        ranges=parse_ranges(
            _list(values, "minShapes"), _list(values, "optShapes"), _list(values, "maxShapes"), RANGE_FLAGS
        ),
        workspace_bytes=_workspace(values),
        timing_cache=values.get("timingCacheFile", ""),
        opt_level=int(_number(values, "builderOptimizationLevel", 3 if "timingCacheFile" in values else 0)),
        precision=_precision(switches),
        calib=values.get("calib", ""),
        constraints=values.get("precisionConstraints", "none"),
        layers=_layers(values),
        target=values.get("target", ""),
        iterations=int(_number(values, "iterations", 10)),
        duration_s=_number(values, "duration", 3, least=-1),
        warm_up_ms=_number(values, "warmUp", 200),
        sleep_ms=_number(values, "sleepTime", 0),
        idle_ms=_number(values, "idleTime", 0),
        streams=int(_number(values, "infStreams", _number(values, "streams", 1, least=1), least=1)),
        threads=int(threads) if threads.isdigit() and int(threads) > 1 else None,
        average_runs=int(_number(values, "avgRuns", 10, least=1)),
        percentiles=_percentiles(values.get("percentile", "90,95,99")),
        load_inputs=dict(_pair(text) for text in values.get("loadInputs", "").split(",") if text),
        profiling_verbosity=values.get("profilingVerbosity", "layer_names_only"),
        exports={name: values[name] for name in values if name.startswith("export")},
        switches=switches,
        warnings=tuple(warnings),
    )
    _check_model(options)
    return options


def _read(arguments: Sequence[str]) -> list[tuple[str, str]]:
    """(flag, value) in order; "" for a switch."""
    found: list[tuple[str, str]] = []
    rest = list(arguments)
    while rest:
        text = rest.pop(0)
        name, equals, value = text.partition("=")
        name = {"-h": "help", "-v": "verbose"}.get(name, name[2:] if name.startswith("--") else "")
        if name in REFUSED:
            raise UserError("E631", f"burnish trtexec does not take --{name}", hint=REFUSED[name])
        if name not in KNOWN:
            raise _unknown(text)
        if not equals and (name in VALUES or name in TAKES_VALUE):
            if not rest or rest[0].startswith("--"):
                raise _bad(name, "", "a value must follow")
            value = rest.pop(0)
        if name in SWITCHES and value not in (*ON, *OFF) and not (name == "threads" and value.isdigit()):
            raise _bad(name, value, "it is a switch: give it alone, or with true or false")
        assert name in VALUES or name in SWITCHES or name in WARNED or name in IGNORED
        found.append((name, value.strip()))
    return found


def _precision(switches: frozenset[str]) -> str:
    """The precision for burnish.build. trtexec lets the builder choose; of f16 and bf16, f16 is the more exact."""
    found = "fp16" if switches & {"fp16", "best"} else "bf16" if "bf16" in switches else "fp32"
    kind = INT8 if switches & {"int8", "best"} else FP8 if "fp8" in switches else ""
    return joined(kind, found)


def values_of(given: Sequence[tuple[str, str]], name: str) -> str:
    """The last value of a flag; empty if it was not given."""
    return dict(given).get(name, "")


def _layers(values: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """--layerPrecisions, unless --precisionConstraints is none, which is the default."""
    constraints = values.get("precisionConstraints", "none")
    if constraints not in ("none", "prefer", "obey"):
        raise _bad("precisionConstraints", constraints, "none, prefer or obey")
    found = []
    for text in filter(None, values.get("layerPrecisions", "").split(",")):
        name, _, word = text.rpartition(":")
        if not name or word not in TYPES:
            raise _bad("layerPrecisions", text, f"NAME:TYPE must follow, with one of {', '.join(TYPES)}")
        found.append((name.strip("'\""), word))
    return tuple(found) if constraints != "none" else ()


def _list(values: dict[str, str], name: str) -> list[str]:
    return [values[name]] if values.get(name) else []


def _number(values: dict[str, str], name: str, default: float, least: float = 0) -> float:
    text = values.get(name, str(default))
    try:
        number = float(text)
    except ValueError:
        raise _bad(name, text, "a number must follow") from None
    if number < least:
        raise _bad(name, text, f"at least {least:g}")
    return number


def _percentiles(text: str) -> tuple[float, ...]:
    found = tuple(_number({"percentile": part}, "percentile", 0) for part in text.split(",") if part.strip())
    if any(p > 100 for p in found):
        raise _bad("percentile", text, "percentiles lie in 0 to 100")
    return found


def _workspace(values: dict[str, str]) -> int | None:
    """--memPoolSize=workspace:512 or --workspace=512: in MiB if no unit is given."""
    if "workspace" in values:
        return parse_size(values["workspace"], "--workspace", unit="M")
    found = None
    for text in values.get("memPoolSize", "").split(","):
        pool, _, size = text.partition(":")
        if pool == "workspace":
            found = parse_size(size, "--memPoolSize=workspace", unit="M")
        elif text:
            raise _bad("memPoolSize", text, "a plan has one pool: workspace:SIZE")
    return found


def _pair(text: str) -> tuple[str, str]:
    name, colon, file = text.rpartition(":")
    if not colon or not file:
        raise _bad("loadInputs", text, "NAME:FILE must follow")
    return name.strip("'"), file


def _check_model(options: Options) -> None:
    if options.wants("help") or bool(options.onnx) != bool(options.load_engine):
        return
    raise UserError(
        "E633",
        "burnish trtexec needs a model or a plan" if not options.onnx else "--onnx and --loadEngine exclude each other",
        hint="--onnx=model.onnx [--saveEngine=model.plan], or --loadEngine=model.plan",
    )


def _bad(name: str, value: str, why: str) -> UserError:
    return UserError(
        "E632",
        f"--{name}={value} is not a value it takes" if value else f"--{name} needs a value",
        why=why,
        hint="burnish trtexec --help lists the flags",
    )


def _unknown(text: str) -> UserError:
    close = difflib.get_close_matches(text.partition("=")[0].lstrip("-"), KNOWN, 1)
    return UserError(
        "E630",
        f"burnish trtexec does not know '{text}'",
        why="it is no flag of TensorRT 10's trtexec",
        hint=f"did you mean --{close[0]}?" if close else "burnish trtexec --help lists the flags",
    )
