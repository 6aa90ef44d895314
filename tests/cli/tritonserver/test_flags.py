"""The flags are those that tritonserver 2.51 prints with --help, each in one table."""

from __future__ import annotations

from pathlib import Path

from burnish.cli.tritonserver.flags import BOOLEANS, KNOWN, NOTED, REFUSED, SWITCHED, SWITCHES, VALUES

LIST = Path(__file__).parents[2] / "data" / "tritonserver_2_51_flags.txt"
OTHER = {  # of earlier and of later releases
    "allow-poll-model-repository", "allow-model-control", "http-max-input-size",
}  # fmt: skip


def test_no_flag_of_triton_is_missing_and_no_other_is_there():
    assert set(LIST.read_text().split()) == KNOWN - OTHER


def test_each_flag_is_in_one_table():
    assert len(VALUES) + len(NOTED) + len(SWITCHED) + len(REFUSED) == len(KNOWN)
    assert VALUES.keys() >= BOOLEANS | SWITCHES
