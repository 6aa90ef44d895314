from burnish.serve.scheduling.shares import instance_needs
from burnish.serve.scheduling.turns import GLOBAL, Needs
from tests.serve.scheduling.fakes import FakeInstance, config

GROUPS = """
instance_group { count: 2 kind: KIND_CPU rate_limiter { priority: 3 resources { name: "r" count: 4 global: true } } }
instance_group { count: 1 kind: KIND_GPU gpus: [ 0, 1 ] rate_limiter { resources { name: "s" count: 1 } } }
"""


def test_each_instance_needs_what_its_group_says_on_its_device():
    needs = instance_needs(config(GROUPS), [FakeInstance(n) for n in "abcd"])
    assert needs == {
        "a": Needs({("r", GLOBAL): 4}, 3),
        "b": Needs({("r", GLOBAL): 4}, 3),
        "c": Needs({("s", 0): 1}, 1),
        "d": Needs({("s", 1): 1}, 1),
    }


def test_without_groups_or_with_the_rate_limiter_off_no_resource_is_needed():
    assert instance_needs(config(""), [FakeInstance("a")]) == {"a": Needs()}
    assert instance_needs(config(GROUPS), [FakeInstance("a")], is_limited=False) == {"a": Needs()}
