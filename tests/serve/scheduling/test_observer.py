import inspect

from burnish.serve.job import Failure
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.scheduling.observer import Nobody, Observer, Several
from tests.serve.scheduling.fakes import Seen, make_job


def test_who_observes_has_every_member_with_its_arguments():
    for observer in (Nobody, ModelStatistics, Several, Seen):
        for name, member in inspect.getmembers(Observer, inspect.isfunction):
            if not name.startswith("_"):
                found = inspect.signature(getattr(observer, name))
                assert list(found.parameters) == list(inspect.signature(member).parameters), (observer, name)


def test_several_are_all_told():
    seen = [Seen(), Seen()]
    job, _ = make_job("a")
    several = Several(*seen)
    several.executed([job], 1)
    several.refused(job, Failure.OTHER)
    several.composed(job, [job])
    several.cache_hit(job, 1)
    several.cache_missed(job, 1)
    assert seen[0].events == seen[1].events
    assert [event[0] for event in seen[0].events] == ["executed", "refused", "composed", "hit", "missed"]
