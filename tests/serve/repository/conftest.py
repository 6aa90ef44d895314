"""A repository of versions that nothing computes."""

import pytest

from burnish.serve.repository.repository import Repository
from tests.serve.repository.stand_ins import Loads


@pytest.fixture
def loads():
    return Loads()


@pytest.fixture
def repository(tmp_path, loads):
    return Repository([tmp_path], loads)
