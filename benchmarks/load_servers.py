"""`burnish perf` against whole servers: `burnish serve` with a plan and with a Python model, and a real Triton.

python benchmarks/load_servers.py --triton VENV [--rounds 3] [--requests 4000]

An identity model, 1x64 f32, client and servers at real-time priority. Each server is started once; every round asks all
of them in random order, at 1, 8 and 32 requests in flight over both protocols. Shown are medians of requests/s, of the
median latency, and of each server's rate over Triton's in the same round (lowest to highest).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from alone import preferred
from serving import (
    HOST,
    IN_FLIGHT,
    PROTOCOLS,
    burnish_command,
    free_port,
    repositories,
    triton_command,
    wait_until_ready,
)

TRITON = "Triton, a Python model"


def ask(protocol: str, port: int, requests: int) -> list[tuple[float, float]]:
    """Requests/s and median latency in ms at each level."""
    levels = ",".join(map(str, IN_FLIGHT))
    flags = ["-u", f"{HOST}:{port}", "-i", protocol, "--concurrency", levels, "--requests", str(requests)]
    command = [sys.executable, "-m", "burnish", "perf", "m", *flags, "--warm-up", "0.3", "--json"]
    children = psutil.Process().children
    with preferred(lambda: [p.pid for p in children(recursive=True)]):  # the machine is never idle
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [(level["throughput_per_s"], level["latency_ms"]["p50"]) for level in told["levels"]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--triton", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=4000)
    args = parser.parse_args()
    environment = {**os.environ, "PATH": f"{args.triton}/bin:{os.environ['PATH']}"}  # Triton's stub looks for Python
    found: dict[tuple[str, str], list[list[tuple[float, float]]]] = {}
    with contextlib.ExitStack() as stack:
        kinds = repositories(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        ports = {n: {p: free_port() for p in PROTOCOLS} for n in ("a plan", "a Python model", TRITON)}
        for name, own in ports.items():
            if name == TRITON:
                command = triton_command(args.triton, kinds["python"], own)
            else:
                command = burnish_command(kinds["plan" if name == "a plan" else "python"], own)
            nowhere = subprocess.DEVNULL
            server = stack.enter_context(subprocess.Popen(command, stdout=nowhere, stderr=nowhere, env=environment))
            stack.callback(server.terminate)
            wait_until_ready(own["http"])
        for _ in range(args.rounds):
            for name in random.sample(list(ports), len(ports)):
                for protocol in PROTOCOLS:
                    found.setdefault((name, protocol), []).append(ask(protocol, ports[name][protocol], args.requests))
                    time.sleep(1)  # the others' turn
    print("| server | protocol | in flight | per s | median, ms | of Triton's rate |\n|---|---|---|---|---|---|")
    for (name, protocol), rounds in sorted(found.items()):
        for k, in_flight in enumerate(IN_FLIGHT):
            rates = [r[k][0] for r in rounds]
            ratios = [rate / other[k][0] for rate, other in zip(rates, found[TRITON, protocol])]
            latency = statistics.median(r[k][1] for r in rounds)
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            print(f"| {name} | {protocol} | {in_flight} | {statistics.median(rates):,.0f} | {latency:.2f} | {spread} |")


if __name__ == "__main__":
    main()
