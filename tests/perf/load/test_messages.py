"""Requests in turn, and sequences with one start, one end and an id of their own."""

from __future__ import annotations

import json
from collections.abc import Mapping

from burnish.perf.load.messages import SequenceSteps, Steps, ids
from burnish.perf.options import Scalar, Sequences


class Named:
    def __init__(self, name: str) -> None:
        self.name = name

    def render(self, parameters: Mapping[str, Scalar]) -> bytes:
        return json.dumps([self.name, parameters]).encode()


STREAMS = ((Named("a"), Named("b")), (Named("c"), Named("d")))


def test_steps_of_all_streams_come_in_turn() -> None:
    steps = Steps(STREAMS)
    assert [json.loads(steps.next())[0] for _ in range(5)] == ["a", "b", "c", "d", "a"]
    assert steps.last() is None


def sequences(wanted: Sequences, count: int) -> list[list[tuple[str, int, bool, bool]]]:
    """Requests of one slot, cut after each end."""
    found: list[list[tuple[str, int, bool, bool]]] = [[]]
    source = SequenceSteps(STREAMS, wanted, ids(wanted, 0, 1), "seed")
    while len(found) <= count:
        name, flags = json.loads(source.next())
        found[-1].append((name, flags["sequence_id"], flags["sequence_start"], flags["sequence_end"]))
        if flags["sequence_end"]:
            found.append([])
    return found[:-1]


def test_a_sequence_has_one_start_one_end_one_id_and_one_stream() -> None:
    for number, rows in enumerate(sequences(Sequences(length=5, variation=0, first_id=10), 20)):
        assert [start for _, _, start, _ in rows] == [True, False, False, False, False]
        assert [end for *_, end in rows] == [False, False, False, False, True]
        assert {i for _, i, _, _ in rows} == {10 + number}
        assert [name for name, *_ in rows] in ([*"abaab"[:2], *"aba"], [*"cdcdc"])


def test_lengths_vary_around_their_mean() -> None:
    lengths = [len(rows) for rows in sequences(Sequences(length=20, variation=50), 200)]
    assert min(lengths) >= 10 and max(lengths) <= 30 and 18 < sum(lengths) / len(lengths) < 22


def test_a_sequence_of_one_request_starts_and_ends_at_once() -> None:
    assert all(
        len(rows) == 1 and rows[0][2:] == (True, True) for rows in sequences(Sequences(length=1, variation=0), 5)
    )


def test_a_sequence_that_is_cut_short_is_ended_and_one_that_broke_is_not_continued() -> None:
    wanted = Sequences(length=9, variation=0)
    source = SequenceSteps(STREAMS, wanted, ids(wanted, 0, 1), "seed")
    source.next()
    last = source.last()
    assert last is not None and json.loads(last)[1] == {"sequence_id": 1, "sequence_start": False, "sequence_end": True}
    assert source.last() is None
    source.next()
    source.restart()
    flags = json.loads(source.next())[1]
    assert flags["sequence_id"] == 3 and flags["sequence_start"]


def test_processes_share_no_ids_and_the_range_comes_round() -> None:
    wanted = Sequences(first_id=5, last_id=8)
    first, second = ids(wanted, 0, 2), ids(wanted, 1, 2)
    assert [first() for _ in range(3)] == [5, 7, 5]
    assert [second() for _ in range(3)] == [6, 8, 6]
