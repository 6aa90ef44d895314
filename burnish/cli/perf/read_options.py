"""The texts of the command line as `burnish.perf.Options`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.perf import Options

_SHAPE = re.compile(r"(?P<name>.+):(?P<dims>scalar|\d+(?:[,x]\d+)*)")


def read_options(given: Mapping[str, Any]) -> Options:
    """From the command's arguments by name. E680 for values and combinations that make no sense."""
    from burnish.perf import Options, Sequences, Tls
    from burnish.perf.levels import parse_levels

    if sum(map(bool, (given["concurrency"], given["rate"], given["intervals"]))) > 1:
        raise UserError("E680", "--concurrency, --rate and --intervals exclude each other", hint="give one of them")
    first_id, last_id = parse_ids(given["sequence_ids"])
    wanted = Sequences(
        active=given["sequences"],
        length=given["sequence_length"],
        variation=given["sequence_length_variation"],
        first_id=first_id,
        last_id=last_id,
    )
    closed = parse_levels(given["concurrency"] or "1", "--concurrency", whole=True)
    same: tuple[str, ...] = (
        "max_in_flight",
        "batch",
        "data",
        "string_length",
        "output_memory",
        "window_requests",
        "max_windows",
    )
    same += ("stability", "requests", "percentile", "search", "processes", "streaming", "seed", "url")
    return Options(
        model=given["model"],
        version=given["model_version"],
        protocol=one_of(given["protocol"].lower(), "--protocol", ("http", "grpc")),
        concurrency=tuple(int(v) for v in closed),
        rates=parse_levels(given["rate"], "--rate") if given["rate"] else (),
        arrivals=one_of(given["arrivals"], "--arrivals", ("constant", "poisson")),
        intervals_s=read_intervals(given["intervals"]) if given["intervals"] else (),
        shapes=parse_input_shapes(given["shape"] or []),
        string_value=given["string_data"],
        encoding=one_of(given["encoding"], "--encoding", ("binary", "json")),
        shared_memory=one_of(given["shared_memory"], "--shared-memory", ("none", "system")),
        window_s=given["window"],
        warm_up_s=given["warm_up"],
        latency_limit_ms=given["latency_limit"],
        timeout_s=given["timeout"],
        sequences=wanted if wanted.length else None,
        headers=parse_headers(given["header"] or []),
        parameters=parse_parameters(given["parameter"] or []),
        tls=Tls(given["ca"], given["certificate"], given["key"]),
        **{name: given[name] for name in same},
    )


def one_of(value: str, option: str, choices: tuple[str, ...]) -> Any:
    """The value, if it is one of the choices. E680."""
    if value not in choices:
        raise UserError("E680", f"{option} '{value}' is not one of {', '.join(choices)}")
    return value


def parse_input_shapes(texts: list[str]) -> dict[str, tuple[int, ...]]:
    """`IN:3,224,224`, `IN:3x224x224`, `IN:scalar`. E680."""
    found = {}
    for text in texts:
        item = _SHAPE.fullmatch(text)
        if item is None:
            raise UserError("E680", f"--shape '{text}' is not a shape", hint="--shape NAME:3,224,224")
        dims = item["dims"]
        found[item["name"]] = () if dims == "scalar" else tuple(int(d) for d in re.split("[,x]", dims))
    return found


def parse_headers(texts: list[str]) -> dict[str, str]:
    """`name:value`. E680, also for line breaks, which would begin another header."""
    found = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or set("\r\n") & set(text):
            raise UserError("E680", f"--header '{text}' is not a header", hint="--header 'Authorization: Bearer KEY'")
        found[name.strip()] = value.strip()
    return found


def parse_parameters(texts: list[str]) -> dict[str, Any]:
    """`name=value`. E680 for a value that is an object, a list or null."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        try:
            read = json.loads(value)
        except ValueError:
            read = value
        if not equals or not name or not isinstance(read, bool | int | float | str):
            hint = "--parameter priority=1, --parameter tenant=blue"
            raise UserError("E680", f"--parameter '{text}' is not a parameter", hint=hint)
        found[name] = read
    return found


def parse_ids(text: str) -> tuple[int, int]:
    """`first:last`, or `first` alone. E680."""
    first, colon, last = text.partition(":")
    if not first.isdecimal() or (colon and not last.isdecimal()) or (colon and int(last) < int(first)):
        raise UserError("E680", f"--sequence-ids '{text}' is not a range", hint="--sequence-ids 1:1000")
    return int(first), int(last) if colon else 2**63 - 1


def read_intervals(path: Path) -> tuple[float, ...]:
    """Seconds, from microseconds, one a line. E680."""
    try:
        found = tuple(float(line) / 1e6 for line in path.read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise UserError("E680", f"the file of --intervals '{path}' cannot be read", why=str(error)) from None
    if not found or min(found) < 0 or not sum(found) < float("inf") or sum(found) == 0:
        raise UserError("E680", f"the file of --intervals '{path}' holds no distances", hint="microseconds, one a line")
    return found
