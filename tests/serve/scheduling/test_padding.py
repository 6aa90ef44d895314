import numpy as np
import pytest

from burnish.serve.config.refusal import ConfigError
from burnish.serve.scheduling.make import make_scheduler
from burnish.serve.scheduling.padding import padding_rule
from tests.serve.scheduling.fakes import FakeClock, FakeInstance, Seen, config, submit, tensor

MODEL = """name: "m" max_batch_size: 8
  input { name: "ids" data_type: TYPE_INT32 dims: [ -1, 2 ] }
  output { name: "OUT" data_type: TYPE_INT32 dims: [ -1, 2 ] }
"""


def parameters(**texts):
    return "".join(f'parameters {{ key: "burnish.{k}" value {{ string_value: "{v}" }} }}' for k, v in texts.items())


class Bench:
    def __init__(self, batching="dynamic_batching { }", model=MODEL, **texts):
        self.seen, self.instance = Seen(), FakeInstance()
        self.instance._outputs_of = lambda job: [tensor("OUT", job.request.inputs["ids"].data, "INT32")]
        texts = texts or {"buckets": "ids[0] = 4, 8", "trim": "OUT[0] = ids[0]"}
        made = config(model + batching + parameters(**texts))
        self.scheduler = make_scheduler(made, [self.instance], FakeClock(), observer=self.seen)

    def submit(self, id, length, rows=1, **fields):
        ids = np.arange(1, rows * length * 2 + 1, dtype=np.int32).reshape(rows, length, 2)
        return submit(self.scheduler, id, rows=rows, inputs={"ids": tensor("ids", ids, "INT32")}, **fields)

    @property
    def shapes(self):
        return [[job.request.inputs["ids"].shape for job in batch] for batch in self.instance.batches]


def test_requests_of_one_bucket_share_a_batch_at_its_length():
    bench = Bench()
    bench.submit("runs", 4)
    for n, length in enumerate((1, 3, 4, 5, 8)):
        bench.submit(n, length)
    for _ in range(3):
        bench.instance.end()
    assert bench.instance.ids == [["runs"], ["0", "1", "2"], ["3", "4"]]
    assert bench.shapes == [[(1, 4, 2)], [(1, 4, 2)] * 3, [(1, 8, 2)] * 2]


def test_answers_are_cut_back_to_each_requests_own_size():
    bench = Bench()
    _, answers = bench.submit("a", 3)
    bench.instance.end()
    (out,) = answers[0].outputs
    assert out.data.tolist() == [[[1, 2], [3, 4], [5, 6]]]


def test_what_is_added_has_the_declared_value():
    bench = Bench(buckets="ids[0] = 4", pad="ids = -1")
    bench.submit("a", 2)
    assert bench.instance.batches[0][0].request.inputs["ids"].data.tolist() == [[[1, 2], [3, 4], [-1, -1], [-1, -1]]]


def test_without_a_trim_the_answer_stays_long():
    bench = Bench(buckets="ids[0] = 4")
    _, answers = bench.submit("a", 3)
    bench.instance.end()
    assert answers[0].outputs[0].shape == (1, 4, 2)


def test_a_length_above_the_last_bucket_stays_as_it_is():
    bench = Bench()
    _, answers = bench.submit("a", 9)
    bench.instance.end()
    assert bench.shapes == [[(1, 9, 2)]]
    assert answers[0].outputs[0].shape == (1, 9, 2)


def test_rows_are_filled_up_and_those_that_are_added_count_nowhere():
    bench = Bench(batch_sizes="1, 4, 8")
    bench.submit("runs", 3)
    bench.submit("a", 3)
    bench.submit("b", 3, rows=2)
    bench.instance.end()
    bench.instance.end()
    assert bench.instance.rows == [1, 4]
    assert bench.shapes[1] == [(1, 3, 2), (2, 3, 2), (1, 3, 2)]
    assert bench.seen.events == [("executed", ["runs"]), ("executed", ["a", "b"])]


def test_it_works_without_batching_and_without_a_batch_dimension():
    bench = Bench(batching="", model=MODEL.replace("8", "0"), buckets="ids[0] = 4", trim="OUT[0] = ids[0]")
    ids = np.ones((3, 2), np.int32)
    _, answers = submit(bench.scheduler, "a", inputs={"ids": tensor("ids", ids, "INT32")})
    bench.instance.end()
    assert bench.shapes == [[(4, 2)]]
    assert answers[0].outputs[0].data.tolist() == ids.tolist()


@pytest.mark.parametrize("strategy", ["direct { }", "oldest { max_candidate_sequences: 4 }"])
def test_sequences_are_padded_too(strategy):
    bench = Bench(f"sequence_batching {{ {strategy} }}")
    bench.submit("runs", 4, sequence=(1, True, False))
    found = [bench.submit(n, length, sequence=(n, True, False))[1] for n, length in ((2, 1), (3, 3))]
    bench.instance.end()
    bench.instance.end()
    assert set(bench.shapes[1]) == {(1, 4, 2)}
    assert [a[0].outputs[0].shape for a in found] == [(1, 1, 2), (1, 3, 2)]


def test_strings_are_padded_with_empty_ones():
    model = MODEL.replace("TYPE_INT32 dims: [ -1, 2 ]", "TYPE_STRING dims: [ -1 ]", 1)
    bench = Bench(model=model, buckets="ids[0] = 2")
    submit(bench.scheduler, inputs={"ids": tensor("ids", np.array([[b"x"]], np.object_), "BYTES")})
    assert bench.instance.batches[0][0].request.inputs["ids"].data.tolist() == [[b"x", b""]]


def test_an_optional_input_that_is_missing_is_left_alone():
    model = MODEL + 'input { name: "more" data_type: TYPE_INT32 dims: [ -1 ] optional: true }'
    bench = Bench(model=model, buckets="ids[0], more[0] = 4", trim="OUT[0] = ids[0]")
    _, answers = bench.submit("a", 2)
    bench.instance.end()
    assert answers[0].outputs[0].shape == (1, 2, 2)


def test_a_configuration_without_buckets_has_no_rule_and_one_that_cannot_be_read_is_refused():
    assert padding_rule(config(MODEL)) is None
    with pytest.raises(ConfigError, match=r"burnish\.buckets"):
        padding_rule(config(MODEL + parameters(buckets="ids = x")))
