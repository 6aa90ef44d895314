import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.scheduling.response_cache import ResponseCache, digest_of
from burnish.serve.status import ServeError, invalid
from tests.serve.scheduling.fakes import FakeClock, FakeInstance, Seen, config, make_job, submit, tensor

MODEL = """name: "m" max_batch_size: 4 response_cache { enable: true }
  output { name: "A" data_type: TYPE_INT32 dims: 1 } output { name: "B" data_type: TYPE_INT32 dims: 1 } """


class Bench:
    def __init__(self, limit_bytes=1 << 20, more="", cache=None):
        self.cache, self.seen, self.calls = cache or ResponseCache(limit_bytes), Seen(), 0
        self.instance = FakeInstance(in_place=True, outputs_of=self._count)
        made = config(MODEL + more)
        self.scheduler = make_scheduler(made, [self.instance], FakeClock(), observer=self.seen, cache=self.cache)

    def _count(self, job):
        self.calls += 1
        wanted = job.request.wanted
        outputs = [tensor(n, np.array([[self.calls]], np.int32), "INT32") for n in "AB"]
        return [t for t in outputs if not wanted or t.name in wanted]  # as a model that computes what is asked

    def ask(self, value=0, id="", **fields):
        inputs = {"IN": tensor("IN", np.full((1, 2), value, np.float32))}
        _, answers = submit(self.scheduler, id, inputs=inputs, **fields)
        (answer,) = answers
        return {t.name: int(t.data[0, 0]) for t in answer.outputs}


def test_equal_inputs_are_answered_out_of_the_cache_whatever_the_id_and_parameters():
    bench = Bench()
    assert bench.ask(id="a") == bench.ask(id="b", parameters={"x": 1}, priority=3) == {"A": 1, "B": 1}
    assert bench.ask(5) == {"A": 2, "B": 2}
    assert bench.seen.events == [
        ("missed", "a"), ("executed", ["a"]), ("hit", "b"), ("missed", ""), ("executed", [""]),
    ]  # fmt: skip
    assert (bench.cache.lookups, bench.cache.hits, bench.cache.misses, bench.cache.entries) == (3, 1, 2, 2)


def test_the_answers_of_hits_have_the_requests_id():
    bench = Bench()
    bench.ask(id="a")
    _, answers = submit(bench.scheduler, "b", inputs={"IN": tensor("IN", np.zeros((1, 2), np.float32))})
    assert answers[0].id == "b" and answers[0].is_final


def test_an_answer_with_some_outputs_serves_only_requests_that_want_no_others():
    bench = Bench()
    assert bench.ask(wanted=("A",)) == {"A": 1}
    assert bench.ask(wanted=("A",)) == {"A": 1}
    assert bench.ask() == {"A": 2, "B": 2}
    assert bench.ask(wanted=("B",)) == {"B": 2}
    assert bench.ask(wanted=("B", "A")) == {"A": 2, "B": 2}
    assert bench.calls == 2 and bench.cache.entries == 1


def test_an_error_is_not_kept():
    bench = Bench()
    bench.instance._error_of = lambda job: invalid("no")
    submit(bench.scheduler, "a")
    assert bench.cache.entries == 0


def test_unloading_forgets_a_models_answers_and_no_others():
    cache = ResponseCache(1 << 20)
    first, other = Bench(cache=cache), Bench(cache=cache)
    first.ask()
    other.ask()
    first.scheduler.close()
    assert cache.entries == 1
    assert other.ask() == {"A": 1, "B": 1}
    reloaded = Bench(cache=cache)
    reloaded.calls = 6
    assert reloaded.ask() == {"A": 7, "B": 7}
    other.scheduler.close()
    reloaded.scheduler.close()
    assert (cache.entries, cache.used_bytes) == (0, 0)


def test_an_answer_that_comes_after_unloading_is_not_kept():
    bench = Bench()
    bench.instance.in_place = False
    submit(bench.scheduler, "a")
    bench.scheduler.close()
    bench.instance.end()
    assert bench.cache.entries == 0


def test_a_closed_scheduler_refuses():
    bench = Bench()
    bench.ask()
    bench.scheduler.close()
    with pytest.raises(ServeError):
        bench.ask()


def test_a_kept_answer_is_a_copy_that_cannot_be_written_to():
    bench = Bench()
    shared = np.zeros((1, 1), np.int32)
    bench.instance._outputs_of = lambda job: [tensor("A", shared, "INT32")]
    bench.ask()
    shared[:] = 9
    assert bench.ask() == {"A": 0}
    (entry,) = bench.cache._entries.values()
    assert not entry.outputs["A"].data.flags.writeable


def test_the_least_recently_used_goes_first():
    size = ResponseCache(1 << 20)
    one = Bench(cache=size)
    one.ask()
    bench = Bench(limit_bytes=2 * size.used_bytes)
    bench.ask(1)
    bench.ask(2)
    bench.ask(1)
    bench.ask(3)
    assert bench.cache.evictions == 1
    calls = bench.calls
    bench.ask(1)
    assert bench.calls == calls
    bench.ask(2)
    assert bench.calls == calls + 1
    assert bench.cache.utilization == 1.0


def test_an_answer_larger_than_the_cache_is_not_kept_and_evicts_nothing():
    bench = Bench(limit_bytes=700)
    bench.instance._outputs_of = lambda job: [tensor("A", np.zeros((1, 40), np.int32), "INT32")]
    bench.ask()
    assert bench.cache.entries == 1
    bench.instance._outputs_of = lambda job: [tensor("A", np.zeros((1, 400), np.int32), "INT32")]
    bench.ask(1)
    assert (bench.cache.entries, bench.cache.evictions) == (1, 0)


def test_two_equal_requests_under_way_count_one_miss():
    bench = Bench()
    bench.instance.in_place = False
    submit(bench.scheduler, "a")
    submit(bench.scheduler, "b")
    bench.instance.end()
    bench.instance.end()
    assert [e for e in bench.seen.events if e[0] == "missed"] == [("missed", "a")]


def test_hits_keep_the_order_of_answers():
    bench = Bench(more="dynamic_batching { preserve_ordering: true }")
    bench.ask(1)
    bench.instance.in_place = False
    told = []
    for value, name in ((2, "slow"), (1, "hit")):
        job, _ = make_job(name, inputs={"IN": tensor("IN", np.full((1, 2), value, np.float32))})
        job.reply = lambda response: told.append(response.id)
        bench.scheduler.submit(job)
    assert told == []
    bench.instance.end()
    assert told == ["slow", "hit"]


def test_without_a_cache_or_for_a_decoupled_model_every_request_runs():
    bench = Bench(more="model_transaction_policy { decoupled: true }")
    bench.ask()
    bench.ask()
    assert bench.calls == 2


@pytest.mark.parametrize(
    "one, two",
    [
        ({"IN": [[1, 2]]}, {"IN": [[2, 1]]}),
        ({"IN": [[1, 2]]}, {"IN": [[1], [2]]}),
        ({"A": [1], "B": [2]}, {"A": [2], "B": [1]}),
        ({"A": [1]}, {"B": [1]}),
        ({"A": np.array([1.0], np.float32)}, {"A": np.array([1065353216], np.int32)}),
        ({"A": [b"ab", b"c"]}, {"A": [b"a", b"bc"]}),
    ],
)
def test_inputs_that_differ_in_anything_have_other_keys(one, two):
    def request(inputs):
        made = {}
        for name, values in inputs.items():
            data = np.asarray(values)
            text = data.dtype.kind == "S"
            datatype = "BYTES" if text else {"f": "FP32", "i": "INT32"}[data.dtype.kind]
            made[name] = tensor(name, np.array(values, np.object_) if text else data, datatype)
        return make_job(inputs=made)[0].request

    assert digest_of(request(one)) == digest_of(request(dict(reversed(one.items()))))
    assert digest_of(request(one)) != digest_of(request(two))


def test_types_without_a_numpy_of_their_own_and_scalars_have_keys():
    import ml_dtypes

    for data, datatype in ((np.zeros((2, 0)), "FP64"), (np.array(3, np.int8), "INT8"), (np.ones(2, bool), "BOOL"),
                           (np.ones(2, ml_dtypes.bfloat16), "BF16")):  # fmt: skip
        assert len(digest_of(make_job(inputs={"A": tensor("A", data, datatype)})[0].request)) == 16


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 60)), max_size=60), st.integers(600, 4000))
def test_its_bytes_are_the_sum_of_its_entries_and_never_above_the_limit(asks, limit_bytes):
    cache = ResponseCache(limit_bytes)
    scopes = [cache.open_scope(), cache.open_scope()]
    for value, size in asks:
        key = (scopes[value % 2], bytes([value]))
        if cache.look_up(key, ()) is None:
            cache.insert(key, [tensor("A", np.zeros(size, np.int32), "INT32")], True)
        assert cache.used_bytes == sum(e.size_bytes for e in cache._entries.values()) <= limit_bytes
    cache.close_scope(scopes[0])
    assert all(scope == scopes[1] for scope, _ in cache._entries)
    cache.close_scope(scopes[1])
    assert (cache.entries, cache.used_bytes) == (0, 0)
