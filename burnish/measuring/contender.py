"""The process of one system: `python -m burnish.measuring.contender SYSTEM MODEL INPUTS.npz THREADS DEVICE`.

Both sides send one JSON object a line. The process first sends {"import_ms", "load_ms", "first_run_ms"} or {"problem"},
with {"error"} if it is an error of Burnish's. Then it answers each request: {"runs": n} with {"times_ms": [...]},
{"launches": n} with {"launches_ms"}, {"layers": true} with {"layers": [...]}, and {} with {"peak_rss_mib"}, and ends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any, TextIO

from burnish.errors import BurnishError, to_json


def serve(arguments: list[str], requests: TextIO, answers: TextIO) -> None:
    """Load the system, then answer requests until an empty one or the end of input."""
    system, path, inputs_path, threads, device = arguments

    def answer(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value) + "\n")
        answers.flush()

    try:
        from burnish.measuring import systems
        from burnish.measuring.arrays_file import load_arrays

        inputs = load_arrays(inputs_path)
        start = time.perf_counter()
        systems.prepare(system)
        imported = time.perf_counter()
        run = systems.load(system, path, inputs, int(threads), device)
        loaded = time.perf_counter()
        run()
        first = time.perf_counter()
    except Exception as error:
        line = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:300]
        answer({"problem": line} | ({"error": to_json(error)} if isinstance(error, BurnishError) else {}))
        return
    milliseconds = [1e3 * t for t in (imported - start, loaded - imported, first - loaded)]
    answer(dict(zip(("import_ms", "load_ms", "first_run_ms"), milliseconds)))
    for line in requests:
        request = json.loads(line)
        if not request:
            break
        if "layers" in request:
            answer({"layers": systems.profile_layers(path, inputs, int(threads), device)})
            continue
        if "launches" in request:
            answer({"launches_ms": systems.launches_ms(path, inputs, int(threads), device, request["launches"])})
            continue
        times = []
        for _ in range(request["runs"]):
            start = time.perf_counter()
            run()
            times.append(1e3 * (time.perf_counter() - start))
        answer({"times_ms": times})
    answer({"peak_rss_mib": peak_rss_mib()})


def peak_rss_mib() -> float:
    """Peak resident memory of this process since it began. (getrusage may report the parent's peak instead.)"""
    try:
        with open("/proc/self/status", encoding="ascii") as file:
            kibibytes = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / 1024


if __name__ == "__main__":
    # the systems may print: answers go to the original stdout, everything else to stderr
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as channel:
        os.dup2(2, 1)
        serve(sys.argv[1:], sys.stdin, channel)
