"""`burnish inspect`: what is in a plan, what a model becomes, what this machine is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from burnish.cli.options import AsJson, TrustedKey
from burnish.cli.output import format_bytes, note, print_facts, print_json, print_table


class _Guessing(TyperGroup):
    """`inspect FILE` is `inspect plan FILE` or `inspect graph FILE`, by the file's first bytes, or else its name."""

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        first = next((text for text in arguments if not text.startswith("-")), "")
        if first not in self.commands and ((path := Path(first)).suffix or path.is_file()):
            from burnish.plan import is_plan

            is_model = path.suffix == ".onnx" if not path.is_file() else not is_plan(path)
            arguments = ["graph" if is_model else "plan", *arguments]
        return super().parse_args(context, arguments)


app = typer.Typer(
    cls=_Guessing,
    no_args_is_help=True,
    help="Show what is in a plan, what a model's graph becomes, or what this machine has. `inspect FILE` shows a plan, "
    "or a model's graph.",
)


@app.command()
def plan(
    path: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan.", show_default=False)],
    launches: Annotated[bool, typer.Option("--launches", help="List all launches with their tactics.")] = False,
    blobs: Annotated[bool, typer.Option("--blobs", help="List all blobs with their offsets and hashes.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Check every byte against its SHA-256.")] = False,
    trusted_key: TrustedKey = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in a plan. This reads the file and loads no code."""
    from burnish.cli.describe_plan import blob_rows, facts, fallback_rows, launch_rows
    from burnish.plan import open_plan, read

    if check or trusted_key is not None:
        read(path, verify="full", trusted_key=trusted_key)
    contents = open_plan(path)
    if as_json:
        listed = {"launches": launch_rows(contents.manifest), "fallbacks": fallback_rows(contents.manifest)}
        print_json(facts(contents) | listed | {"blobs": blob_rows(contents)})
        return
    shown = facts(contents)
    shown["options"] = [f"{name}: {value}" for name, value in shown["options"].items() if value is not None]
    lines = {name: "\n".join(value) if isinstance(value, list) else value for name, value in shown.items() if value}
    del lines["size_bytes"]
    print_facts({**lines, "file": f"{format_bytes(shown['size_bytes'])}, format version {contents.version}"})
    if launches:
        rows = [[*row.values()] for row in launch_rows(contents.manifest)]
        print_table(("target", "#>", "launch", "kernel", "MFLOP>", "tactic", "nodes"), rows, "\nlaunches")
    if blobs:
        rows = [[*row.values()] for row in blob_rows(contents)]
        print_table(("blob", "offset>", "bytes>", "SHA-256"), rows, "\nblobs")
    if check:
        note("every byte is as it was written")


@app.command()
def tactics(
    path: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan.", show_default=False)],
    timing_cache: Annotated[
        Path | None,
        typer.Option("--timing-cache", metavar="FILE", help="Show the time that this cache has for each tactic."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also say what the options of each template mean.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show each launch of a plan: its template and schedule, its work, and the measured time if a cache has it."""
    from burnish.cli.describe_tactics import meanings, tactic_rows
    from burnish.plan import open_plan

    manifest = open_plan(path).manifest
    rows = tactic_rows(manifest, timing_cache)
    explained = meanings(manifest) if explain else {}
    if as_json:
        print_json({"launches": rows, "options": explained} if explain else rows)
        return
    columns = ("target", "#>", "launch", "kernel", "MFLOP>", "KB>", "tactic", "task")
    measured = ("us>", "measured on") if timing_cache else ()
    print_table((*columns, *measured, "nodes"), [[*(row | {"task": row["task"][:12]}).values()] for row in rows])
    for target, templates in explained.items():
        for template, options in templates.items():
            print(f"\n{template} on {target}")
            print_facts({f"  {option}": text for option, text in options.items()})


@app.command()
def graph(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model, or a plan.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Save the optimised graph as an ONNX file.")
    ] = None,
    why: Annotated[
        tuple[str, str] | None,
        typer.Option("--why", metavar="RULE NODE", help="Say what a rule did at a node, and why."),
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option("--shapes", metavar="SHAPES", help="Optimise for these shapes only: NAME:1x3x224x224,..."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a model's operators before and after all passes. With -o, save the graph for a viewer such as Netron."""
    from burnish.cli.describe_graph import explain_rule, optimised

    if why is not None:
        print(explain_rule(model, why[0], why[1], shapes or ()))
        return
    found = optimised(model, shapes or ())
    if output is not None:
        found.save(output)
        note(f"saved {output}")
    if as_json:
        print_json({"before": found.before, "after": found.after, "notes": found.notes})
        return
    columns = {"before>": found.before, "after>": found.after} if found.before is not None else {"nodes>": found.after}
    names = sorted((found.before or {}) | found.after, key=lambda name: (-found.after.get(name, 0), name))
    rows = [(name, *(counts.get(name, 0) for counts in columns.values())) for name in names]
    rows.append(("all", *(sum(counts.values()) for counts in columns.values())))
    print_table(("operator", *columns), rows)
    for text in found.notes:
        note(text)


@app.command()
def env(as_json: AsJson = False) -> None:
    """Show this machine: processor, memory, GPUs, versions, what it can build for and run, and what is missing."""
    from burnish.cli.describe_machine import lines, machine

    found = machine()
    if as_json:
        print_json(found)
    else:
        print_facts(lines(found))
