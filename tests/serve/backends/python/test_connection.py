"""The server's end of a model's process."""

import pytest
import uvloop

from burnish.serve.backends.python.connection import Connection
from burnish.serve.status import ServeError


def test_a_process_answers_ends_when_asked_to_and_is_known_to_be_gone(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.py").write_text("class TritonPythonModel:\n    def execute(self, requests): return []\n")
    start = {"kind": "start", "folder": str(tmp_path), "version": "1", "file": "model.py"}

    async def go():
        connection = await Connection.open("m_0")
        assert (await connection.ask(start))["completes"] is False
        with pytest.raises(ServeError, match="ModuleNotFoundError"):
            await connection.ask({**start, "file": "other.py"})
        await connection.close()
        assert connection.process.returncode == 0
        with pytest.raises(ServeError, match="Stub process 'm_0' is not healthy"):
            connection.send(start)
        await connection.close()

    uvloop.run(go())


def test_a_question_that_is_not_answered_in_time_fails(tmp_path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.py").write_text("import time\ntime.sleep(60)\n")

    async def go():
        connection = await Connection.open("m_0")
        with pytest.raises(ServeError, match=r"did not finish 'start' within 0\.2 s"):
            await connection.ask({"kind": "start", "folder": str(tmp_path), "version": "1", "file": "model.py"}, 0.2)
        connection.process.kill()
        await connection.close()

    uvloop.run(go())
