"""Models in real processes."""

import asyncio
import errno
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import uvloop

from burnish.serve.backends.loading import Place
from burnish.serve.backends.python.connection import Connection
from burnish.serve.backends.python.instance import PythonInstance
from burnish.serve.backends.python.loading import PythonLoading
from burnish.serve.config.parse_text import parse_text
from burnish.serve.job import Job
from burnish.serve.request import Request, Tensor
from burnish.serve.status import ServeError

MODEL = """
import os
import numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        config.add_input({"name": "X", "data_type": "TYPE_INT32", "dims": [-1]})
        config.add_output({"name": "Y", "data_type": "TYPE_INT32", "dims": [-1]})
        return config

    def initialize(self, args):
        self.name = args["model_instance_name"]
        pb.Logger.log_info("ready")

    def execute(self, requests):
        responses = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "X").as_numpy()
            if x[0] == -1:
                raise ValueError("on purpose")
            if x[0] == -2:
                os._exit(3)
            if x[0] == -3:
                responses.append(pb.InferenceResponse(error=pb.TritonError("said", pb.TritonError.NOT_FOUND)))
                continue
            if x[0] == -4:
                return None
            responses.append(pb.InferenceResponse([pb.Tensor("Y", x * 2), pb.Tensor("UNDECLARED", x)]))
        return responses
"""
DECOUPLED = """
import threading
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            x = request.inputs()[0]
            def later(sender=sender, x=x):
                for n in range(int(x.as_numpy()[0])):
                    sender.send(pb.InferenceResponse([pb.Tensor("Y", x.as_numpy() + n)]))
                sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
            threading.Thread(target=later).start()
"""


async def loaded(folder: Path, text: str, config=""):
    (folder / "1").mkdir(exist_ok=True)
    (folder / "1" / "model.py").write_text(text)
    made = parse_text(f'name: "m" backend: "python" default_model_filename: "model.py" {config}')
    place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), folder)
    loading = await PythonLoading.begin(made, folder, 1, place)
    try:
        await loading.complete(made)
        return await loading.open(made), made
    except BaseException:
        await loading.abort()
        raise


async def ask(instance, *values, rows=None):
    """The answers of one batch, and then that the instance is free."""
    free, jobs, answers = asyncio.Event(), [], []
    for value in values:
        tensor = Tensor("X", "INT32", np.array([value], np.int32))
        mine: list = []
        answers.append(mine)
        jobs.append(Job(Request("m", {"X": tensor}), "m", 1, 1, mine.append))
    instance.run(jobs, free.set)
    await asyncio.wait_for(free.wait(), 20)
    for _ in range(400):
        if all(job.is_over for job in jobs):
            break
        await asyncio.sleep(0.005)
    return answers


def outputs(answers):
    assert [a.error.message for mine in answers for a in mine if a.error] == []
    assert all(len(a.outputs or [0]) == 1 for mine in answers for a in mine)
    return [[a.outputs[0].data.tolist() for a in mine if a.outputs] for mine in answers]


def test_a_model_completes_its_configuration_and_answers_batches(tmp_path):
    async def go():
        backend, config = await loaded(tmp_path, MODEL)
        assert [t.name for t in config.input] == ["X"]
        (instance,) = backend.instances
        assert outputs(await ask(instance, 3, 4)) == [[[6]], [[8]]]
        await backend.close()

    uvloop.run(go())


def test_errors_of_a_model_are_answers(tmp_path):
    async def go():
        backend, _ = await loaded(tmp_path, MODEL)
        (instance,) = backend.instances
        (raised,), (said,), (none,) = [(await ask(instance, v))[0] for v in (-1, -3, -4)]
        start = "Failed to process the request(s) for model 'm', message: "
        assert raised.error.message.startswith(f"{start}ValueError: on purpose\n\nAt:\n  {tmp_path}/1/model.py(")
        assert (said.error.message, said.error.code.name) == ("said", "NOT_FOUND")
        assert none.error.message == f"{start}Expected a list in the execute return, found type 'NoneType'."
        assert outputs(await ask(instance, 1)) == [[[2]]]
        await backend.close()

    uvloop.run(go())


def test_a_process_that_dies_fails_its_requests_and_comes_back(tmp_path):
    async def go():
        backend, _ = await loaded(tmp_path, MODEL)
        (instance,) = backend.instances
        ((died,),) = await ask(instance, -2)
        assert died.error.message == "Stub process 'm' is not healthy."
        for _ in range(400):
            if instance._connection is not None:
                break
            await asyncio.sleep(0.05)
        assert outputs(await ask(instance, 1)) == [[[2]]]
        os.kill(instance._connection.process.pid, signal.SIGKILL)
        ((killed,),) = await ask(instance, 1)
        assert killed.error is not None
        await backend.close()

    uvloop.run(go())


def test_a_machine_that_has_no_process_to_give_is_asked_again(tmp_path):
    async def go():
        backend, _ = await loaded(tmp_path, MODEL)
        (instance,) = backend.instances
        restart, refused = instance._restart, []

        async def refuse_once(name):
            if not refused:
                refused.append(name)
                raise BlockingIOError(errno.EAGAIN, "no more processes")
            return await restart(name)

        instance._restart = refuse_once
        await ask(instance, -2)
        for _ in range(400):
            if instance._connection is not None:
                break
            await asyncio.sleep(0.05)
        assert outputs(await ask(instance, 1)) == [[[2]]]
        assert refused == ["m"]
        await backend.close()

    uvloop.run(go())


def test_a_process_that_ends_right_after_it_was_ready_is_not_taken(tmp_path):
    class Ended:
        is_lost, is_closed = True, False

        async def ask(self, header):
            return {}

        async def close(self):
            self.is_closed = True

    async def go():
        instance = PythonInstance("m_0", parse_text('name: "m"'), 1, tmp_path, None, asyncio.get_running_loop())
        ended = Ended()
        with pytest.raises(ServeError, match="not healthy"):
            await instance.start(ended)
        assert ended.is_closed
        assert instance._connection is None

    uvloop.run(go())


def test_a_decoupled_model_answers_as_often_as_it_likes(tmp_path):
    config = """model_transaction_policy { decoupled: true }
    input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] } output { name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }"""

    async def go():
        backend, _ = await loaded(tmp_path, DECOUPLED, config)
        answers = await ask(backend.instances[0], 2, 0)
        assert outputs(answers) == [[[2], [3]], []]
        assert [[a.is_final for a in mine] for mine in answers] == [[False, False, True], [True]]
        await backend.close()

    uvloop.run(go())


def test_what_a_model_prints_goes_to_the_log(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.py").write_text(
        "import sys, os\nprint('to stdout')\nprint('x' * 9000, file=sys.stderr)\nos.write(1, b'no line\\xff')\n"
    )

    async def go():
        connection = await Connection.open("m_0")
        with pytest.raises(ServeError, match="TritonPythonModel"):
            await connection.ask({"kind": "start", "folder": str(tmp_path), "version": "1", "file": "model.py"})
        await connection.close()
        await asyncio.sleep(0.05)

    uvloop.run(go())
    assert "m_0: to stdout" in caplog.messages
    assert max(map(len, caplog.messages)) <= 9100
    assert "m_0: no line\\xff" in caplog.messages


def test_a_python_environment_of_its_own_is_refused_clearly(tmp_path):
    text = 'name: "m" parameters { key: "EXECUTION_ENV_PATH" value { string_value: "/env.tar.gz" } }'

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), tmp_path)
        with pytest.raises(ServeError, match=r"EXECUTION_ENV_PATH.*is not supported"):
            await PythonLoading.begin(parse_text(text), tmp_path, 1, place)

    uvloop.run(go())
