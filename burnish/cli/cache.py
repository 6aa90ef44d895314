"""`burnish cache`: look into timing caches, join them, compare them, cut them down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.cli.options import AsJson
from burnish.cli.output import note, print_json, print_table
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.tune import Entry, TimingCache

app = typer.Typer(
    no_args_is_help=True, help="Show, merge, compare and prune timing caches: the measured tactics that builds use."
)
_Cache = Annotated[Path, typer.Argument(metavar="CACHE", help="The timing cache.", show_default=False)]
_Target = Annotated[str, typer.Option("--target", metavar="TARGET", help="Only entries of this target.")]
_Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="Only entries measured on this device.")]
_COLUMNS = ("us>", "work", "tactic", "of>", "sizes", "target", "device", "task")


@app.command()
def show(cache: _Cache, target: _Target = "", device: _Device = "", as_json: AsJson = False) -> None:
    """List the entries of a timing cache, those with the longest time first."""
    entries = sorted(_selected(_load(cache), target, device), key=lambda e: (-e.time_ns, e.order))
    if as_json:
        print_json([_as_dict(e) for e in entries])
        return
    print_table(_COLUMNS, map(_row, entries))
    note(f"{len(entries)} entries")


@app.command()
def merge(
    caches: Annotated[list[Path], typer.Argument(metavar="CACHE...", help="The timing caches.", show_default=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write; it may be one of them.")],
    as_json: AsJson = False,
) -> None:
    """Write the entries of several caches into one. If two have a tactic for one task, the faster one is kept."""
    from burnish.tune import TimingCache

    merged = TimingCache()
    for path in caches:
        merged.merge(_load(path))
    merged.save(output)
    rows = [{"kept": _as_dict(c.kept), "dropped": _as_dict(c.dropped)} for c in merged.conflicts]
    if as_json:
        print_json({"entries": len(merged), "conflicts": rows})
        return
    if rows:
        print_table(
            ("work", "kept", "us>", "dropped", "us>", "target", "device"),
            [
                (c.kept.work, c.kept.tactic, _us(c.kept), c.dropped.tactic, _us(c.dropped), *_place(c.kept))
                for c in merged.conflicts
            ],
        )
    note(f"{output}: {len(merged)} entries, {len(rows)} conflicts")


@app.command()
def diff(
    before: Annotated[Path, typer.Argument(metavar="CACHE", help="The first cache.", show_default=False)],
    after: Annotated[Path, typer.Argument(metavar="OTHER", help="The second cache.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show entries that only one of two caches has, and those whose tactics differ (-: the first, +: the second)."""
    old, new = ({e.key: e for e in _load(path)} for path in (before, after))
    changed = [k for k in {**old, **new} if (old[k].tactic if k in old else "") != (new[k].tactic if k in new else "")]
    lines = [
        (sign, e)
        for key in sorted(changed, key=lambda k: (new.get(k) or old[k]).order)
        for sign, e in (("-", old.get(key)), ("+", new.get(key)))
        if e is not None
    ]
    if as_json:
        print_json([{"sign": sign, **_as_dict(e)} for sign, e in lines])
        return
    print_table(("", *_COLUMNS), [(sign, *_row(e)) for sign, e in lines])
    note(f"{len(changed)} tasks differ, {len({**old, **new}) - len(changed)} agree")


@app.command()
def prune(
    cache: _Cache,
    keep: Annotated[
        list[Path] | None,
        typer.Option(
            "--keep",
            metavar="PLAN",
            help="Remove the entries that this plan does not use. Repeatable: those that none of the plans uses.",
        ),
    ] = None,
    target: _Target = "",
    device: _Device = "",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: the cache itself).")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Remove entries from a cache: those that no plan uses, those of a target or a device, or those that meet both."""
    if not (keep or target or device):
        raise UserError(
            "E621",
            "burnish cache prune was not told what to forget",
            hint="--keep PLAN forgets what no plan uses; --target, --device forget all of a target, of a device",
        )
    found = _load(cache)
    used = _tasks_of(keep or ())
    forgotten = [e for e in _selected(found, target, device) if (e.key.target, e.key.task) not in used]
    found.keep({e.key for e in found} - {e.key for e in forgotten})
    found.save(output or cache)
    if as_json:
        print_json({"entries": len(found), "forgotten": [_as_dict(e) for e in forgotten]})
    else:
        note(f"{output or cache}: {len(forgotten)} entries forgotten, {len(found)} left")


def _load(path: Path) -> TimingCache:
    from burnish.tune import TimingCache

    return TimingCache.load(path)


def _selected(cache: TimingCache, target: str, device: str) -> list[Entry]:
    return [e for e in cache if target in ("", e.key.target) and device in ("", e.key.device)]


def _tasks_of(plans: list[Path] | tuple[()]) -> set[tuple[str, str]]:
    """(target, task) of every launch in the plans."""
    from burnish.plan import open_plan

    manifests = [open_plan(path).manifest for path in plans]
    return {(v.target, launch.task) for m in manifests for v in m.variants for launch in v.launches}


def _row(entry: Entry) -> tuple[Any, ...]:
    sizes = " ".join(f"{name}={value}" for name, value in entry.key.sizes)
    return (_us(entry), entry.work, entry.tactic, entry.candidates, sizes, *_place(entry), entry.key.task[:12])


def _us(entry: Entry) -> str:
    return f"{entry.time_ns / 1e3:.2f}"


def _place(entry: Entry) -> tuple[str, str]:
    return entry.key.target, entry.key.device


def _as_dict(entry: Entry) -> dict[str, Any]:
    import json

    from burnish.tune.entry import to_line

    value: dict[str, Any] = json.loads(to_line(entry))
    return value
