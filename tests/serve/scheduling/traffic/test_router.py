import pytest

from burnish.serve.config.options.options import Options, Shadow, Traffic
from burnish.serve.request import NEWEST, Request, Response
from burnish.serve.scheduling.traffic.router import Router
from burnish.serve.status import ServeError, invalid


class Versions:
    """Answer at once with their number; version 3 refuses."""

    def __init__(self, newest=1):
        self.newest, self.asked = newest, []

    def submit(self, request, reply):
        version = self.newest if request.version == NEWEST else request.version
        if version == 3:
            raise invalid("refused")
        self.asked.append(version)
        reply(Response(request.model, version, request.id, []))


def ask(options, versions, count=1, version=NEWEST):
    reports, told = [], []
    router = Router(options, versions.submit, reports.append, lambda: None)
    for _ in range(count):
        router.submit(Request("m", {}, version), told.append)
    return router, [r.version for r in told], reports


def test_without_options_the_newest_answers():
    assert ask(Options(), Versions())[1] == [1]


def test_versions_are_chosen_by_weight_and_the_shadow_gets_what_they_answered():
    options = Options(traffic=Traffic({1: 3, 4: 1}), shadow=Shadow(2))
    versions = Versions()
    _, told, reports = ask(options, versions, 4)
    assert sorted(told) == [1, 1, 1, 4]
    assert versions.asked.count(2) == 4 and [r.shadow for r in reports] == [2] * 4
    assert sorted(r.primary for r in reports) == [1, 1, 1, 4]


@pytest.mark.parametrize("newest, version", [(2, NEWEST), (1, 2)])
def test_what_the_shadow_version_answers_itself_is_not_copied(newest, version):
    versions = Versions(newest)
    router, told, reports = ask(Options(shadow=Shadow(2)), versions, version=version)
    assert (told, versions.asked, reports, router.shadow.under_way) == ([2], [2], [], 0)


def test_a_refused_request_is_not_under_way_in_the_shadow():
    router = Router(Options(shadow=Shadow(2)), Versions().submit, [].append, lambda: None)
    with pytest.raises(ServeError):
        router.submit(Request("m", {}, 3), [].append)
    assert router.shadow.under_way == 0
