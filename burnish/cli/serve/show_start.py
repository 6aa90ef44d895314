"""What a started server shows: its models and its addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from burnish.cli.output import format_bytes

if TYPE_CHECKING:
    from burnish.serve.app.started import Started, StartedModel

_COLUMNS = ("model", "version", "state", "backend", "memory")


def start_text(where: Started, is_secure: bool) -> str:
    """The table of models, then an address a line."""
    lines = [*_table(where.models)] if where.models else ["no model is loaded"]
    return "\n".join([*lines, *(f"{name:<7} {address}" for name, address in _addresses(where, is_secure))])


def _addresses(where: Started, is_secure: bool) -> Iterator[tuple[str, str]]:
    if where.http is not None:
        yield "HTTP", f"{'https' if is_secure else 'http'}://{address(where.host, where.http)}"
    if where.grpc is not None:
        yield "gRPC", address(where.grpc_host, where.grpc)
    if where.metrics is not None:
        yield "metrics", f"http://{address(where.metrics_host, where.metrics)}/metrics"


def address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _table(models: Sequence[StartedModel]) -> Iterator[str]:
    rows = [_COLUMNS, *map(_row, models)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(model: StartedModel) -> tuple[str, ...]:
    state = f"{model.state}: {model.reason.strip().splitlines()[0]}" if model.reason.strip() else model.state
    return model.name, model.version, state, model.backend, format_bytes(model.memory_bytes)
