"""Control modes, readiness and the end of a server, over models that nothing computes."""

import asyncio
import contextlib

import pytest

from burnish.serve.core.server import EXPLICIT, Server, ServerOptions
from burnish.serve.job import Failure
from burnish.serve.repository.repository import Repository
from burnish.serve.request import Request
from burnish.serve.status import Code, ServeError
from tests.serve.repository.stand_ins import Loads, model
from tests.serve.repository.test_repository import request


def made(tmp_path, **options):
    loads = Loads()
    return Server(ServerOptions((tmp_path,), **options), Repository([tmp_path], loads)), loads


def test_a_server_loads_everything_and_is_ready_when_it_has(tmp_path):
    model(tmp_path, "m")
    model(tmp_path, "n")

    async def go():
        server, _ = made(tmp_path)
        assert (server.is_live, server.is_ready) == (True, False)
        assert await server.start() == []
        assert server.is_ready
        assert server.find("m").name == "m"
        await server.stop()
        assert (server.is_live, server.is_ready) == (False, False)

    asyncio.run(go())


def test_a_broken_model_is_named_takes_no_other_down_and_is_no_longer_held_against_a_server_that_is_repaired(tmp_path):
    model(tmp_path, "m")
    model(tmp_path, "n")

    async def go():
        server, loads = made(tmp_path)
        loads.fail["n", 1] = ServeError(Code.INTERNAL, "broken")
        (message,) = await server.start()
        assert "broken" in message
        assert server.repository.is_ready("m")
        assert not server.is_ready
        loads.fail.clear()
        await server.repository.load("n")
        assert server.is_ready
        await server.stop()

    asyncio.run(go())


@pytest.mark.parametrize(("load", "expected"), [((), []), (("m",), ["m"]), (("*",), ["m", "n"])])
def test_explicit_control_loads_what_it_is_told_to(tmp_path, load, expected):
    model(tmp_path, "m")
    model(tmp_path, "n")

    async def go():
        server, _ = made(tmp_path, control=EXPLICIT, load=load)
        await server.start()
        assert [v.name for v in server.repository.served()] == expected
        await server.stop()

    asyncio.run(go())


def test_a_look_at_the_repository_takes_in_what_is_new_changed_or_gone(tmp_path):
    model(tmp_path, "m")

    async def go():
        server, loads = made(tmp_path)
        await server.start()
        seen = {"m": server.repository.models["m"].signature}
        await server.poll_once(seen)
        assert loads.count == 1
        (tmp_path / "m" / "1" / "model.py").write_text("changed")
        model(tmp_path, "n")
        await server.poll_once(seen)
        assert loads.count == 3
        loads.fail["n", 1] = ServeError(Code.INTERNAL, "half a plan")
        (tmp_path / "n" / "1" / "model.py").write_text("half")
        await server.poll_once(seen)
        assert server.repository.is_ready("n")
        (tmp_path / "m").rename(tmp_path / ".gone")
        await server.poll_once(seen)
        assert not server.repository.is_ready("m")
        await server.stop()

    asyncio.run(go())


def test_a_stopping_server_takes_no_request(tmp_path):
    async def go():
        server, _ = made(tmp_path)
        await server.start()
        await server.stop()
        with pytest.raises(ServeError, match="stopping") as caught:
            server.infer(Request("m", {}), lambda answer: None)
        assert caught.value.code is Code.UNAVAILABLE

    asyncio.run(go())


def test_a_full_server_refuses_requests_of_clients_and_counts_them_and_lets_models_call_others(tmp_path):
    model(tmp_path, "m")

    async def go():
        server, _ = made(tmp_path, most_requests=2)
        await server.start()
        jobs = [server.infer(request(), lambda response: None) for _ in range(2)]
        with pytest.raises(ServeError, match="too many requests are under way") as caught:
            server.infer(request(), lambda response: None)
        assert caught.value.code is Code.UNAVAILABLE
        with pytest.raises(ServeError, match="nosuch"):
            server.infer(Request("nosuch", {}), lambda response: None)
        assert server.find("m").statistics.failures[Failure.REJECTED] == 1
        jobs.append(server.call(request(), lambda response: None))
        jobs[0].answer([])
        jobs.append(server.infer(request(), lambda response: None))
        for job in jobs:
            job.answer([])
        assert (server.under_way.requests, server.under_way.bytes) == (0, 0)
        await server.stop()

    asyncio.run(go())


def test_a_watch_sees_requests_only_while_it_is_set(tmp_path):
    model(tmp_path, "m")

    async def go():
        server, _ = made(tmp_path)
        await server.start()
        seen = []

        def watch(submit, request, reply):
            seen.append(request.id)
            return submit(request, reply)

        for number, installed in enumerate((None, watch, None)):
            server.watch = installed
            with contextlib.suppress(ServeError):
                server.infer(Request("m", {}, id=str(number)), lambda response: None)
        assert seen == ["1"]
        await server.stop()

    asyncio.run(go())
