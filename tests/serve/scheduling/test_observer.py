import inspect

from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.scheduling.observer import Nobody, Observer
from tests.serve.scheduling.fakes import Seen


def test_who_observes_has_every_member_with_its_arguments():
    for observer in (Nobody, ModelStatistics, Seen):
        for name, member in inspect.getmembers(Observer, inspect.isfunction):
            if not name.startswith("_"):
                found = inspect.signature(getattr(observer, name))
                assert list(found.parameters) == list(inspect.signature(member).parameters), (observer, name)
