"""Tables of floors, of launches and of what was measured, as Markdown on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gpu_cases import CASES, Case
from gpu_floors import launch_us, model_floor


def print_floors(cases: Sequence[Case], folder: Path, precision: str, target: str) -> None:
    """A row as soon as it is known: lowering a model takes seconds."""
    print("| case | launches | GFLOP | MB | work, us | + launches, us | limit, us | at most, ms | torch.compile, ms |")
    print("|---|---|---|---|---|---|---|---|---|")
    for case in cases:
        f = model_floor(case, folder, precision, target)
        work = f"{f.launches} | {f.gflop:.1f} | {f.mbytes:.0f} | {f.launches_us:.1f}"
        times = f"{f.floor_us:.1f} | {f.limit_us:.1f} | {_or_nothing(case.aim_ms)} | {_or_nothing(case.torch_ms)}"
        print(f"| {case.name} | {work} | {times} |", flush=True)


def print_report(lines: Sequence[dict[str, Any]]) -> None:
    """The latest measurement of every case, system and precision."""
    times = {(r["case"], r["precision"], r["system"]): r for r in lines if r["kind"] == "time"}
    answers = {(r["case"], r["precision"], r["system"]): r for r in lines if r["kind"] == "answer"}
    builds = {(r["case"], r["precision"]): r for r in lines if r["kind"] == "build"}
    print("\n| case | ms | p10 to p90 | floor, ms | share | torch, ms | torch / ours | at most | error |")
    print("|---|---|---|---|---|---|---|---|---|")
    for (name, precision, system), row in times.items():
        if system != "burnish":
            continue
        peers = [r for (c, p, s), r in times.items() if (c, p) == (name, precision) and s != "burnish" and "ms" in r]
        answer = answers.get((name, precision, system), {})
        print(_row(name, precision, row, peers, builds.get((name, precision), {}), answer))
    print()
    for r in lines:
        problem = r.get("problem")
        if problem:
            print(f"* {r['case']} {r.get('system', '')}: {problem.splitlines()[0][:200]}")


def _row(name: str, precision: str, row: dict[str, Any], peers: list[dict[str, Any]], build: Any, answer: Any) -> str:
    if "ms" not in row:
        return f"| {name} {precision} | {row['problem'][:80]} | | | | | | | |"
    floor_ms = build.get("floor", {}).get("floor_us", 0.0) / 1e3
    share = f"{floor_ms / row['ms']:.0%}" if floor_ms else ""
    best = min((p["ms"] for p in peers), default=0.0)
    aim = next((c.aim_ms for c in CASES if c.name == name), 0.0)
    spread = f"{row['p10']:.3f} to {row['p90']:.3f}"
    ours = f"**{row['ms']:.3f}** | {spread} | {floor_ms:.3f} | {share}"
    theirs = f"{best:.3f} | {best / row['ms']:.2f}" if best else " | "
    return f"| {name} {precision} | {ours} | {theirs} | {_or_nothing(aim)} | {answer.get('error', 0.0):.1e} |"


def print_layers(layers: Iterable[dict[str, Any]], most: int = 400) -> None:
    """The launches, those that lose most against their floor first."""
    rows = [(layer, launch_us(layer["flops"], layer["bytes"]), layer["ms"] * 1e3) for layer in layers]
    total = sum(us for _, _, us in rows)
    print(f"\n{len(rows)} launches, {total:.1f} us one by one; sorted by what is lost against the floor\n")
    print("| us | floor | lost | TFLOP/s | GB/s | kernel | tactic | nodes |")
    print("|---|---|---|---|---|---|---|---|")
    for layer, floor, us in sorted(rows, key=lambda row: row[1] - row[2])[:most]:
        rates = f"{layer['flops'] / max(us, 1e-3) / 1e6:.1f} | {layer['bytes'] / max(us, 1e-3) / 1e3:.0f}"
        nodes = (" ".join(layer["nodes"]) or layer["name"])[-80:]
        print(
            f"| {us:.2f} | {floor:.2f} | {us - floor:.2f} | {rates} | {layer['kernel']} | {layer['tactic']} | {nodes} |"
        )


def _or_nothing(value: float) -> str:
    return f"{value:g}" if value else ""
