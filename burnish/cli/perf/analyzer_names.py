"""perf_analyzer's names of options, taken as ours without a word: a script changes its command only.

--measurement-interval 5000   ->   --window 5.0
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.errors import UserError


def _same(text: str) -> str:
    return text


def _seconds(text: str) -> str:
    """From milliseconds. What is no number stays, and the option that gets it says so."""
    try:
        return f"{float(text) / 1e3:g}"
    except ValueError:
        return text


def _typed(text: str) -> str:
    """`name:value:type` -> `name=value` in JSON."""
    name, _, rest = text.partition(":")
    value, _, kind = rest.rpartition(":")
    return f"{name}={value.lower() if kind == 'bool' else value}" if kind != "string" else f'{name}="{value}"'


VALUES: dict[str, tuple[str, Callable[[str], str]]] = {
    "--model-name": ("", _same), "-m": ("", _same), "-x": ("--model-version", _same),
    "--concurrency-range": ("--concurrency", _same), "--request-rate-range": ("--rate", _same),
    "--request-intervals": ("--intervals", _same), "--request-distribution": ("--arrivals", _same),
    "--measurement-interval": ("--window", _seconds), "-p": ("--window", _seconds),
    "--measurement-request-count": ("--window-requests", _same), "--request-count": ("--requests", _same),
    "--stability-percentage": ("--stability", _same), "-s": ("--stability", _same),
    "--max-trials": ("--max-windows", _same), "-r": ("--max-windows", _same),
    "--latency-threshold": ("--latency-limit", _same), "-l": ("--latency-limit", _same),
    "--max-threads": ("--processes", _same), "--batch-size": ("--batch", _same), "--input-data": ("--data", _same),
    "--output-shared-memory-size": ("--output-memory", _same), "--num-of-sequences": ("--sequences", _same),
    "--sequence-id-range": ("--sequence-ids", _same), "--latency-report-file": ("--csv", _same),
    "--input-tensor-format": ("--encoding", _same), "--request-parameter": ("--parameter", _typed),
    "--random-seed": ("--seed", _same),
    "--ssl-https-ca-certificates-file": ("--ca", _same), "--ssl-grpc-root-certifications-file": ("--ca", _same),
    "--ssl-https-client-certificate-file": ("--certificate", _same),
    "--ssl-grpc-certificate-chain-file": ("--certificate", _same),
    "--ssl-https-private-key-file": ("--key", _same), "--ssl-grpc-private-key-file": ("--key", _same),
}  # fmt: skip
SWITCHES = {"--binary-search": ["--search"], "-z": ["--data", "zero"], "--zero-input": ["--data", "zero"]}
SILENT = {"--async", "-a", "--sync", "--verbose", "-v", "--extra-verbose"}
SILENT_VALUES = {"--measurement-mode", "--output-tensor-format", "--warmup-request-count"}
REFUSED = {
    "--service-kind": "burnish perf measures v2 servers only: leave it out",
    "--profile-export-file": "--json prints all that was measured",
    "--model-repository": "--url: the server must run already",
    "--collect-metrics": "--url alone: the server's own times are always asked for",
}


def translate(arguments: Sequence[str]) -> list[str]:
    """Our own command line for a mixed one. E624 for a name of perf_analyzer's that has no counterpart."""
    found: list[str] = []
    waiting = list(arguments)
    while waiting:
        name, equals, value = waiting.pop(0).partition("=")
        if name == "--service-kind" and (value if equals else waiting[:1]) in ("triton", ["triton"]):
            waiting = waiting[not equals :]
            continue
        if name in REFUSED:
            raise UserError("E624", f"{name} of perf_analyzer has no counterpart", hint=REFUSED[name])
        if name in VALUES or name in SILENT_VALUES:
            if not equals:
                if not waiting:
                    raise UserError("E624", f"{name} needs a value", hint="burnish perf --help lists the options")
                value = waiting.pop(0)
            if name in VALUES:
                ours, convert = VALUES[name]
                found += [ours, convert(value)] if ours else [convert(value)]
        elif name in SWITCHES:
            found += SWITCHES[name]
        elif name not in SILENT:
            found.append(name + equals + value)
    return found
