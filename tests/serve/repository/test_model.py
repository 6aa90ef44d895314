import pytest

from burnish.serve.repository.model import READY, UNAVAILABLE, Model, VersionState
from burnish.serve.status import ServeError


def test_only_versions_that_are_ready_are_found():
    model = Model("m", {1: VersionState(READY, "", object()), 10: VersionState(UNAVAILABLE, "unloaded")})
    assert model.ready() == [1]
    assert model.find() is model.versions[1].version
    with pytest.raises(ServeError, match="'m' version 10 is not found"):
        model.find(10)


def test_the_index_is_in_the_order_of_numbers():
    model = Model("m", {10: VersionState(READY), 9: VersionState(UNAVAILABLE, "why")})
    assert [(e.version, e.reason) for e in model.index()] == [("9", "why"), ("10", "")]
