from tests.serve.scheduling.fakes import MS
from tests.serve.scheduling.sequences.bench import Bench


def test_without_a_strategy_it_is_direct_and_without_an_idle_time_a_second():
    bench = Bench(strategy="", rows=2)
    bench.submit("a", 1, "s")
    bench.submit("b", 2, "s")
    bench.end_all()
    assert bench.instance.ids == [["a"], ["", "b"]]
    bench.clock.advance(999 * MS)
    bench.submit("a2", 1)
    bench.clock.advance(1 * MS)
    assert [line.key for line in bench.scheduler._open.values()] == [1]


def test_a_model_without_a_batch_dimension_has_one_slot():
    bench = Bench(rows=0)
    bench.submit("a", 1, "s")
    bench.submit("b", 2, "s")
    bench.submit("a2", 1, "e")
    bench.end_all()
    assert bench.instance.ids == [["a"], ["a2"], ["b"]]
