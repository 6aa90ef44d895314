"""Who looks at what a compiler makes: `keep(kind, name, text)` is called with each source, then with its assembly.

kind: "source" or "assembly". `text` makes the text, if anybody wants it. The answer to a source may be an edited text,
which is compiled in its place.
"""

from __future__ import annotations

from collections.abc import Callable

Keep = Callable[[str, str, Callable[[], str]], str | None]


def keep_nothing(kind: str, name: str, text: Callable[[], str]) -> None:
    """For who does not look."""
