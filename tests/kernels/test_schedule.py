"""schedule.py: a schedule as it is stored, and as its template sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from burnish.kernels.schedule import Options, Schedule


@dataclass(frozen=True)
class Tiled(Options):
    """A tile of rows.

    rows, columns  sides of the tile
    form           plain: by rows;
                   packed: by panels
    """

    template: ClassVar[str] = "tiled"
    rows: int
    columns: int
    form: str
    unexplained: bool = False


def test_options_become_a_schedule_in_the_order_of_their_fields_and_are_read_back() -> None:
    options = Tiled(2, 4, "plain")
    assert str(options.schedule) == "tiled rows=2 columns=4 form=plain unexplained=False"
    assert Tiled.read(options.schedule) == options


def test_another_templates_schedule_is_not_read() -> None:
    with pytest.raises(AssertionError, match="loops"):
        Tiled.read(Schedule.of("loops", rows=2, columns=4, form="plain"))


def test_what_options_mean_is_read_from_the_docstring() -> None:
    assert Tiled.meanings() == {
        "rows": "sides of the tile",
        "columns": "sides of the tile",
        "form": "plain: by rows; packed: by panels",
    }


def test_a_schedule_is_read_back_from_its_text() -> None:
    schedule = Tiled(-1, 4, "packed", True).schedule
    assert Schedule.parse(str(schedule)) == schedule
    assert Schedule.parse("plain") == Schedule("plain")
