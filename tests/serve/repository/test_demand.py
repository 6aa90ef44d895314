"""Models that share less memory than they need together: real plans, loaded again when they are asked."""

import asyncio
import gc
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import uvloop
from onnx import TensorProto, helper

import burnish
from burnish.serve.app.scheduling import Scheduling
from burnish.serve.backends.loading import Place
from burnish.serve.repository.load import VersionLoader
from burnish.serve.repository.repository import Repository
from burnish.serve.repository.room import Room
from burnish.serve.request import Request, Tensor
from burnish.serve.scheduling.clock import LoopClock
from burnish.serve.status import ServeError

KEEP = 'parameters { key: "burnish.keep_loaded" value { string_value: "true" } }'


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    weight = np.full((8, 64), 0.5, np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 64])],
        [onnx.numpy_helper.from_array(weight, "w")],
    )
    path = tmp_path_factory.mktemp("plan") / "model.plan"
    burnish.build(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), batch="1:4:4"
    ).save(path)
    return path


def repository_of(root, plan, configs, room):
    """Models by name, each the same plan with a configuration of its own."""
    for name, config in configs.items():
        (root / name / "1").mkdir(parents=True)
        os.link(plan, root / name / "1" / "model.plan")
        (root / name / "config.pbtxt").write_text(f'backend: "burnish" {config}')
    loop = asyncio.get_running_loop()
    place = Place(loop, ThreadPoolExecutor(1), root / "cache")
    scheduling = Scheduling(
        LoopClock(loop), lambda name, number: made.find(name, number), lambda request, reply: None, workers=1
    )
    made = Repository([root], VersionLoader(place, scheduling, room=room))
    return made


async def ask(repository, name):
    answer = asyncio.get_running_loop().create_future()
    x = np.ones((1, 8), np.float32)
    job = repository.find(name).submit(Request(name, {"x": Tensor("x", "FP32", x)}), answer.set_result)
    found = await asyncio.wait_for(answer, 20)
    if found.error is not None:
        raise found.error
    np.testing.assert_allclose(found.outputs[0].data, np.full((1, 64), 4.0))
    return job


async def size_of(root, plan):
    room = Room()
    repository = repository_of(root / "alone", plan, {"one": ""}, room)
    await repository.load("one")
    size = repository.find("one").memory_bytes
    assert size == room.used_bytes >= 8 * 64 * 4
    await repository.close()
    assert room.used_bytes == 0
    return size


def test_models_take_turns_in_memory_and_every_request_is_answered(plan, tmp_path):
    async def go():
        size = await size_of(tmp_path, plan)
        room = Room(2 * size + size // 2)
        repository = repository_of(tmp_path / "r", plan, {"a": KEEP, "b": "", "c": "", "d": ""}, room)
        for name in "abcd":
            await repository.load(name)
            assert room.used_bytes <= room.limit_bytes
        assert [repository.find(n).is_parked for n in "abcd"] == [False, True, True, False]
        assert [e.state for e in await repository.index()] == ["READY"] * 4
        assert (await repository.index())[1].reason == "not in memory; its next request loads it"
        for name in "bcdbac":
            await ask(repository, name)
            assert room.used_bytes <= room.limit_bytes
        await asyncio.gather(*(ask(repository, name) for name in "bcd" * 4))
        assert not repository.find("a").is_parked
        assert repository.find("b").statistics.as_json("b", 1)["inference_stats"]["success"]["count"] == 6
        await repository.close()
        assert room.used_bytes == 0

    uvloop.run(go())


def test_a_model_that_cannot_come_back_says_why_and_comes_back_when_it_can(plan, tmp_path):
    async def go():
        size = await size_of(tmp_path, plan)
        repository = repository_of(tmp_path / "r", plan, {"a": "", "b": ""}, Room(size))
        await repository.load("a")
        await repository.load("b")
        file = tmp_path / "r" / "a" / "1" / "model.plan"
        file.rename(tmp_path / "away")
        with pytest.raises(ServeError, match=r"no file 'model\.plan'"):
            await ask(repository, "a")
        (tmp_path / "away").rename(file)
        await ask(repository, "a")
        assert repository.find("b").is_parked
        await repository.load("a")  # anew: the old one leaves the memory before the new one takes it
        await ask(repository, "a")
        await repository.close()

    uvloop.run(go())


def test_a_request_that_is_cancelled_while_its_model_comes_back_is_answered_and_the_others_run(plan, tmp_path):
    async def go():
        size = await size_of(tmp_path, plan)
        repository = repository_of(tmp_path / "r", plan, {"a": "", "b": ""}, Room(size))
        await repository.load("a")
        await repository.load("b")
        seen = []
        request = Request("a", {"x": Tensor("x", "FP32", np.ones((1, 8), np.float32))})
        job = repository.find("a").submit(request, seen.append)
        job.cancel()
        assert "cancelled" in seen[0].error.message
        await ask(repository, "a")
        assert len(seen) == 1
        await repository.close()

    uvloop.run(go())


def test_a_model_may_not_need_more_than_its_configuration_allows(plan, tmp_path):
    async def go():
        limit = 'parameters { key: "burnish.memory" value { string_value: "100" } }'
        repository = repository_of(tmp_path / "r", plan, {"a": limit}, Room())
        with pytest.raises(ServeError, match=r"needs \d+ bytes of memory; burnish\.memory allows 100"):
            await repository.load("a")
        assert repository._locks == {}

    uvloop.run(go())


def resident_bytes():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


@pytest.mark.parametrize("cycles", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_loading_and_unloading_leaves_nothing_behind(plan, tmp_path, cycles):
    async def go():
        room = Room()
        repository = repository_of(tmp_path / "r", plan, {"a": ""}, room)

        async def cycle():
            await repository.load("a")
            await ask(repository, "a")
            await repository.unload("a")
            await asyncio.gather(*repository._closing)
            assert room.used_bytes == 0

        def counts():
            gc.collect()
            return len(os.listdir("/proc/self/fd")), threading.active_count(), len(asyncio.all_tasks())

        for _ in range(50):
            await cycle()
        before, size = counts(), resident_bytes()
        for _ in range(cycles):
            await cycle()
        after = counts()
        assert after[0] <= before[0]
        assert after[1] <= before[1] + 1  # of the pool that asyncio keeps
        assert after[2] == before[2]
        assert resident_bytes() - size < 8 << 20
        assert len(repository._locks) == len(room._versions) == 0

    uvloop.run(go())
