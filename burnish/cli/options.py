"""Options that several commands take, each with the same words."""

from __future__ import annotations

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Threads = Annotated[int | None, typer.Option("--threads", min=0, help="Number of CPU threads (default: all cores).")]
Device = Annotated[
    str | None,
    typer.Option("--device", help="cpu, cuda or cuda:1 (default: the best that the plan has code for)."),
]
TrustedKey = Annotated[
    str | None,
    typer.Option("--trusted-key", help="Refuse a plan that is not signed with this Ed25519 key (a PEM file, or hex)."),
]
