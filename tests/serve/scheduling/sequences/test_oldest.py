from tests.serve.scheduling.fakes import MS
from tests.serve.scheduling.sequences.bench import Bench, controls_of


def oldest(rows=4, candidates=4, more="", **options):
    return Bench(f"oldest {{ max_candidate_sequences: {candidates} {more} }}", rows, **options)


def test_jobs_of_several_sequences_share_a_batch_and_one_sequence_has_one_job_in_it():
    bench = oldest()
    bench.submit("runs", 9, "s")
    for n in range(2):
        bench.submit(f"a{n}", 1, "s" if n == 0 else "")
        bench.submit(f"b{n}", 2, "s" if n == 0 else "")
    bench.end_all()
    assert bench.instance.ids == [["runs"], ["a0", "b0"], ["a1", "b1"]]
    assert controls_of(bench.instance.batches[1][0])["START"] == 1
    assert controls_of(bench.instance.batches[2][0])["START"] == 0


def test_no_more_sequences_than_candidates_are_served_at_a_time():
    bench = oldest(candidates=2)
    for key in (1, 2, 3):
        bench.submit(key, key, "s")
    bench.end_all()
    assert bench.instance.ids == [["1"], ["2"]]
    bench.submit("end", 1, "e")
    bench.end_all()
    assert bench.instance.ids == [["1"], ["2"], ["end"], ["3"]]


def test_a_batch_waits_for_its_preferred_size_or_the_delay():
    bench = oldest(more="preferred_batch_size: 2 max_queue_delay_microseconds: 1000")
    bench.submit("a", 1, "s")
    assert bench.instance.batches == []
    bench.submit("b", 2, "s")
    assert bench.instance.ids == [["a", "b"]]
    bench.end_all()
    bench.submit("a2", 1)
    bench.clock.advance(MS)
    assert bench.slots == ["a2"]


def test_cancelling_what_waits_for_a_batch_ends_the_sequence():
    bench = oldest(more="preferred_batch_size: 2 max_queue_delay_microseconds: 1000")
    job, answers = bench.submit("a", 1, "s")
    _, behind = bench.submit("a2", 1)
    job.cancel()
    assert len(answers) == len(behind) == 1
    bench.clock.advance(5 * MS)
    assert (bench.instance.batches, bench.scheduler.pending) == ([], 0)


def test_without_a_number_of_candidates_there_are_as_many_as_rows():
    bench = Bench("oldest { }", rows=2)
    assert len(bench.scheduler._strategies[0].slots) == 2
