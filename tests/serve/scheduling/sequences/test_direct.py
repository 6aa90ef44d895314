import numpy as np

from tests.serve.scheduling.fakes import MS, US, tensor
from tests.serve.scheduling.sequences.bench import Bench, controls_of


def test_each_sequence_keeps_its_slot_and_empty_ones_get_nobody():
    bench = Bench(rows=3)
    bench.submit("a", 1, "s")
    bench.submit("b", 2, "s")
    bench.submit("c", 3, "s")
    bench.end_all()
    assert bench.instance.ids == [["a"], ["", "b", "c"]]
    nobody = bench.instance.batches[-1][0]
    assert controls_of(nobody) == {"START": 0, "END": 0, "READY": False, "ID": 0}
    assert nobody.request.inputs["IN"].data.tolist() == [[0, 0]]
    bench.submit("c2", 3)
    assert bench.slots == ["", "", "c2"]


def test_a_request_is_told_where_in_its_sequence_it_stands():
    bench = Bench(rows=1)
    for n, flags in enumerate(("s", "", "e", "se")):
        bench.submit(n, 9 if n < 3 else 8, flags)
    bench.end_all()
    told = [controls_of(batch[0]) for batch in bench.instance.batches]
    assert [(t["START"], t["END"], t["READY"], t["ID"]) for t in told] == [
        (1, 0, True, 9), (0, 0, True, 9), (0, 2, True, 9), (1, 2, True, 8),
    ]  # fmt: skip


def test_sequences_spread_over_instances():
    bench = Bench(rows=2, instances=2)
    for n in range(4):
        bench.submit(n, n + 1, "s")
    bench.end_all()
    assert [i.ids for i in bench.instances] == [[["0"], ["", "2"]], [["1"], ["", "3"]]]


def test_the_slot_of_an_ended_sequence_goes_to_the_backlog_with_all_that_it_holds():
    bench = Bench(rows=1)
    bench.submit("a", 1, "s")
    bench.submit("b1", 2, "s")
    bench.submit("b2", 2, "e")
    bench.submit("c", 3, "s")
    bench.submit("a2", 1, "e")
    bench.end_all()
    assert bench.instance.ids == [["a"], ["a2"], ["b1"], ["b2"], ["c"]]


def test_starting_again_without_an_end_goes_on_in_the_same_slot():
    bench = Bench(rows=1)
    bench.submit("a", 1, "s")
    bench.submit("b", 2, "s")
    bench.submit("a again", 1, "se")
    bench.end_all()
    assert bench.instance.ids == [["a"], ["a again"], ["b"]]


def test_nobody_counts_in_no_statistics():
    bench = Bench(rows=2)
    bench.submit("a", 1, "s")
    bench.submit("b", 2, "s")
    bench.end_all()
    assert bench.seen.events == [("executed", ["a"]), ("executed", ["b"])]


def test_other_shapes_wait_for_the_next_batch():
    bench = Bench(rows=3)
    bench.submit("runs", 1, "s")
    bench.submit("b", 2, "s", shape=(3,))
    bench.submit("c", 3, "s", shape=(4,))
    bench.instance.end()
    assert bench.slots == ["", "b"]
    bench.instance.end()
    assert bench.slots == ["", "", "c"]


def test_a_batch_waits_for_enough_slots_or_for_the_delay():
    strategy = "direct { max_queue_delay_microseconds: 1000 minimum_slot_utilization: 0.6 }"
    bench = Bench(strategy, rows=3)
    bench.submit("a", 1, "s")
    bench.clock.advance(999 * US)
    assert bench.instance.batches == []
    bench.submit("b", 2, "s")
    assert bench.slots == ["a", "b"]
    bench.end_all()
    bench.submit("a2", 1)
    bench.clock.advance(1 * MS)
    assert bench.slots == ["a2"]


def test_strings_of_nobody_are_empty():
    bench = Bench(rows=2, controls='control_input { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID '
                  "data_type: TYPE_STRING } }")  # fmt: skip
    text = np.array([[b"x", b"y"]], np.object_)
    bench.submit("a", "k", "s", inputs={"IN": tensor("IN", text, "BYTES")})
    bench.submit("b", "l", "s", inputs={"IN": tensor("IN", text, "BYTES")})
    bench.instance.end()
    nobody, job = bench.instance.batches[-1]
    assert nobody.request.inputs["IN"].data.tolist() == [[b"", b""]]
    assert (controls_of(nobody)["ID"], controls_of(job)["ID"]) == (b"", b"l")
