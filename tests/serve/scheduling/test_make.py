from burnish.serve.scheduling.job_queue import QueuePolicy
from burnish.serve.scheduling.make import queue_options
from tests.serve.scheduling.fakes import config


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
