import gc
import weakref

import numpy as np
import pytest

from burnish.serve.job import Job
from burnish.serve.request import Request, Sequence
from burnish.serve.scheduling.job_queue import QueuePolicy
from burnish.serve.scheduling.make import make_scheduler, queue_options
from burnish.serve.scheduling.response_cache import ResponseCache
from burnish.serve.status import invalid
from tests.serve.scheduling.fakes import MS, FakeClock, config, tensor


def test_queue_options_are_what_the_configuration_says():
    made = config("""dynamic_batching { priority_levels: 3 default_priority_level: 2
        default_queue_policy { timeout_action: DELAY default_timeout_microseconds: 5 allow_timeout_override: true }
        priority_queue_policy { key: 3 value { max_queue_size: 7 } } }""")
    options = queue_options(made.dynamic_batching, 100)
    assert (options.levels, options.default_level) == (3, 2)
    assert options.default == QueuePolicy(5, delays=True, allows_own_timeout=True, max_size=100)
    assert options.by_level == {3: QueuePolicy(max_size=7)}


def test_policies_of_levels_do_not_count_without_levels():
    made = config("dynamic_batching { priority_queue_policy { key: 3 value { max_queue_size: 7 } } }")
    assert queue_options(made.dynamic_batching).by_level == {}


class Forgetful:
    """Answers at once, or with an error, and holds nothing."""

    name = "f"

    def __init__(self, fails):
        self.fails = fails

    def run(self, jobs, done):
        for job in jobs:
            if self.fails:
                job.fail(invalid("no"))
            else:
                job.answer([tensor("OUT", np.zeros((1, 4), np.float32))])
        done()


HEAD = """name: "m" max_batch_size: 4 input { name: "IN" data_type: TYPE_FP32 dims: -1 }
  output { name: "OUT" data_type: TYPE_FP32 dims: -1 } """
STEP = """ensemble_scheduling { step { model_name: "inner" model_version: -1 input_map { key: "IN" value: "IN" }
  output_map { key: "OUT" value: "OUT" } } }"""
CONFIGS = {
    "direct": "",
    "timeouts": """dynamic_batching { max_queue_delay_microseconds: 1000 priority_levels: 2 default_priority_level: 1
        default_queue_policy { default_timeout_microseconds: 9000000 } }""",
    "order": "dynamic_batching { preserve_ordering: true }",
    "cache": "response_cache { enable: true }",
    "padding": """parameters { key: "burnish.buckets" value { string_value: "IN[0] = 4" } }
        parameters { key: "burnish.trim" value { string_value: "OUT[0] = IN[0]" } } response_cache { enable: true }""",
    "sequence direct": """sequence_batching { direct { } state { input_name: "S" output_name: "T" data_type: TYPE_FP32
        dims: 1 } }""",
    "sequence oldest": "sequence_batching { oldest { max_candidate_sequences: 2 } }",
    "ensemble": STEP,
}


class Inner:
    """A composing model."""

    config = config(HEAD)

    def __init__(self, instance, clock):
        self.scheduler = make_scheduler(self.config, [instance], clock)

    def submit(self, request, reply):
        job = Job(request, "inner", 1, 1, reply)
        self.scheduler.submit(job)
        return job


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_an_answered_request_is_let_go_without_the_collector(text, fails):
    clock, instance = FakeClock(), Forgetful(fails)
    inner = Inner(instance, clock)
    scheduler = make_scheduler(
        config(HEAD + text), [instance], clock, cache=ResponseCache(1 << 20), find=lambda name, version: inner
    )
    gc.collect()
    gc.disable()
    try:
        refs, answers = [], []
        for n in range(3):
            data = np.full((1, 3), n, np.float32)
            refs.append(weakref.ref(data))
            sequence = Sequence(n + 1, is_start=True, is_end=n % 2 == 0)
            request = Request("m", {"IN": tensor("IN", data)}, sequence=sequence)
            scheduler.submit(Job(request, "m", 1, 1, answers.append))
            del data, request
        clock.advance(2 * MS)
        assert [a.error is not None for a in answers] == [fails] * 3
        assert [ref() for ref in refs] == [None] * 3
    finally:
        gc.enable()
