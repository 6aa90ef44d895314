"""Headers of a request that its model gets as parameters, as Triton's --http-header-forward-pattern asks for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from burnish.serve.request import Parameter

Forward = Callable[[Iterable[tuple[str, str]], dict[str, Parameter]], None]


def forward_headers(pattern: str) -> Forward | None:
    """Puts each header whose name has the pattern somewhere, in whatever case, among the parameters; it goes before one
    of the same name that the client gave. None for no pattern.

    raises: re.error for what is no regular expression
    """
    if not pattern:
        return None
    search = re.compile(pattern, re.IGNORECASE).search

    def forward(headers: Iterable[tuple[str, str]], parameters: dict[str, Parameter]) -> None:
        parameters.update({name: value for name, value in headers if search(name)})

    return forward
