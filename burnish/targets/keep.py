"""A hook to see what a compiler makes: `keep(kind, name, text)` is called with each source, then with its assembly.

kind: "source" or "assembly". `text` is called only if the text is wanted. For a source, the hook may return an edited
text, which is compiled in its place.
"""

from __future__ import annotations

from collections.abc import Callable

Keep = Callable[[str, str, Callable[[], str]], str | None]


def keep_nothing(kind: str, name: str, text: Callable[[], str]) -> None:
    """The hook of a build that keeps nothing."""
