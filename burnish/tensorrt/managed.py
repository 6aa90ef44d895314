"""Managed: objects that scripts use in `with` statements, as TensorRT 8 wanted."""

from __future__ import annotations

from types import TracebackType
from typing import TypeVar

M = TypeVar("M", bound="Managed")


class Managed:
    """Entering gives the object, and leaving does nothing: it lives as long as something refers to it."""

    def __enter__(self: M) -> M:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
