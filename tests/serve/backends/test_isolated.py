import asyncio

import pytest
import uvloop

from burnish.serve.backends.isolated import IsolatedBackend
from burnish.serve.backends.python.connection import Connection
from burnish.serve.config.parse_text import parse_text
from burnish.serve.status import ServeError


def test_a_plan_that_its_process_cannot_load_leaves_no_process_behind(tmp_path, monkeypatch):
    made, right = [], Connection.open.__func__

    async def opened(cls, *arguments):
        made.append(await right(cls, *arguments))
        return made[-1]

    monkeypatch.setattr(Connection, "open", classmethod(opened))
    start = {"file": str(tmp_path / "no.plan"), "threads": 1, "device": None, "trusted_key": None, "surface": ""}

    async def go():
        with pytest.raises(ServeError, match="FileNotFoundError"):
            await IsolatedBackend.open(["m_0"], parse_text('name: "m"'), start, 0)
        await asyncio.sleep(0)

    uvloop.run(go())
    assert [c.process.returncode is not None for c in made] == [True]
