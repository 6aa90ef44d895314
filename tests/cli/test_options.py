"""options.py: an option that several commands take has the same words in each."""

from __future__ import annotations

import pytest

from tests.cli.test_app import options_by_command


@pytest.mark.parametrize(
    ("option", "commands"),
    [
        ("--json", ("build", "run", "verify", "diff", "inspect plan", "inspect tactics", "inspect env", "cache show")),
        ("--threads", ("run", "verify")),
        ("--device", ("run", "verify", "bench")),
        ("--trusted-key", ("run", "inspect plan")),
    ],
)
def test_an_option_has_the_same_words_in_every_command(option: str, commands: tuple[str, ...]) -> None:
    found = options_by_command()
    (words,) = {found[name][f"`{option}`"] for name in commands}
    assert words.endswith((".", ")."))
