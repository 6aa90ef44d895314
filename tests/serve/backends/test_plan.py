"""Plans behind the seam of backends: batches in, each request's own rows out."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from onnx import TensorProto, helper

import burnish
from burnish.serve.backends.loading import Place
from burnish.serve.backends.plan import IN_PLACE_NS, PlanLoading
from burnish.serve.config.parse_text import parse_text
from burnish.serve.job import Failure, Job
from burnish.serve.request import Request, Tensor
from burnish.serve.status import Code, ServeError


@pytest.fixture(scope="module")
def model():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"]), helper.make_node("Relu", ["y"], ["z"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["n", 2])],
        [onnx.numpy_helper.from_array(np.array([[1, -1], [1, 1], [0, 2]], np.float32), "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@pytest.fixture(scope="module")
def plan(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "model.plan"
    burnish.build(model, profile={"x": ((1, 3), (4, 3), (8, 3))}).save(path)
    return path


def expected(x):
    return np.maximum(x @ np.array([[1, -1], [1, 1], [0, 2]], np.float32), 0)


async def opened(plan, text="", **place):
    config = parse_text(f'name: "m" {text}')
    made = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), plan.parent, **place)
    loading = await PlanLoading.begin(plan, config, made)
    try:
        await loading.complete(config)
        return await loading.open(config), config
    except BaseException:
        await loading.abort()
        raise


async def ask(instance, *arrays):
    free, jobs, answers = asyncio.Event(), [], []
    for x in arrays:
        mine: list = []
        answers.append(mine)
        jobs.append(Job(Request("m", {"x": Tensor("x", "FP32", x)}), "m", 1, len(x), mine.append))
    instance.run(jobs, free.set)
    await free.wait()
    assert all(len(mine) == 1 and mine[0].is_final for mine in answers)
    return [mine[0] for mine in answers], jobs


def rows(count, start=0):
    return np.arange(start, start + 3 * count, dtype=np.float32).reshape(count, 3) - 4


def test_a_plan_completes_the_configuration_with_its_tensors_and_largest_batch(plan):
    async def go():
        backend, config = await opened(plan)
        assert (config.max_batch_size, config.input[0].name, list(config.input[0].dims)) == (4, "x", [3])
        assert backend.memory_bytes > 0
        await backend.close()

    uvloop.run(go())


def test_requests_of_a_batch_get_their_own_rows_in_a_thread_and_in_place(plan):
    async def go():
        backend, _ = await opened(plan)
        (instance,) = backend.instances
        for _ in range(3):  # the first goes to a thread; then such a batch is known to be short
            answers, jobs = await ask(instance, rows(1), rows(3, 7))
            for answer, x in zip(answers, (rows(1), rows(3, 7))):
                np.testing.assert_allclose(answer.outputs[0].data, expected(x))
            assert all(0 < j.inputs_ready_ns <= j.outputs_ready_ns for j in jobs)
        await backend.close()

    uvloop.run(go())


def test_an_instance_whose_runs_are_short_needs_no_worker(plan):
    async def go():
        backend, _ = await opened(plan)
        (instance,) = backend.instances
        found = []
        for usual in ({}, {1: IN_PLACE_NS - 1}, {1: IN_PLACE_NS - 1, 8: IN_PLACE_NS}):
            instance._usual_ns = usual
            found.append(instance.has_worker)
        await backend.close()
        return found

    assert uvloop.run(go()) == [True, False, True]


def test_what_a_plan_cannot_run_is_an_answer(plan):
    async def go():
        backend, _ = await opened(plan)
        (answer,), _ = await ask(backend.instances[0], rows(9))
        assert answer.error.code is Code.INVALID_ARG
        assert "E50" in answer.error.message
        (answer,), _ = await ask(backend.instances[0], rows(2))
        assert answer.error is None
        await backend.close()

    uvloop.run(go())


def test_instances_are_as_many_as_the_groups_ask_for(plan):
    async def go():
        backend, _ = await opened(plan, 'instance_group [ { name: "m_0" count: 2 kind: KIND_CPU } ]')
        assert [i.name for i in backend.instances] == ["m_0_0", "m_0_1"]
        await backend.close()

    uvloop.run(go())


def test_a_damaged_or_missing_or_unsigned_plan_is_refused(plan, tmp_path):
    damaged = tmp_path / "model.plan"
    data = bytearray(plan.read_bytes())
    data[len(data) // 2] ^= 255
    damaged.write_bytes(data)
    key = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()

    async def go():
        for path, place, words in (
            (damaged, {}, "E4"),
            (tmp_path / "gone.plan", {}, r"has no file 'gone\.plan'"),
            (plan, {"trusted_key": key}, "sign"),
        ):
            with pytest.raises(ServeError, match=words):
                await opened(path, **place)

    uvloop.run(go())


TENSORS = """input {{ name: "x" data_type: {} dims: [ {} ] }} output {{ name: "z" data_type: TYPE_FP32 dims: [ 2 ] }}"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TENSORS.format("TYPE_INT32", 3), "expects datatype TYPE_INT32 for input 'x', model provides TYPE_FP32"),
        (TENSORS.format("TYPE_FP32", 4), r"shape \[-1,3\].*specifies 2 dimensions"),
        (TENSORS.format("TYPE_FP32", 3).replace('"x"', '"u"'), "unexpected inference input 'u', allowed inputs are: x"),
    ],
)
def test_a_configuration_that_is_not_the_plans_is_refused(plan, text, words):
    async def go():
        with pytest.raises(ServeError, match=words):
            await opened(plan, f"max_batch_size: 4 {text}")

    uvloop.run(go())


def test_the_threads_of_an_instance_are_those_that_the_configuration_names(plan):
    async def go():
        backend, _ = await opened(plan, 'parameters { key: "burnish.threads" value { string_value: "1" } }')
        assert backend._engine.threads == 1
        await backend.close()

    uvloop.run(go())


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (1, "max_batch_size: 1"),
        (4, 'max_batch_size: 4 parameters { key: "burnish.batch_sizes" value { string_value: "4" } }'),
    ],
)
def test_a_plan_for_one_number_of_rows_is_batched_if_every_batch_has_that_many(model, tmp_path, rows, text):
    path = tmp_path / "model.plan"
    burnish.build(model, shapes={"x": (rows, 3)}).save(path)

    async def go():
        backend, config = await opened(path, text)
        assert (config.max_batch_size, list(config.input[0].dims)) == (rows, [3])
        await backend.close()
        with pytest.raises(ServeError, match="does not support batching"):
            await opened(path, "max_batch_size: 3")

    uvloop.run(go())


ISOLATED = 'parameters { key: "burnish.isolation" value { string_value: "process" } }'


def test_a_plan_in_a_process_of_its_own_gives_the_same_answers_and_comes_back_after_a_crash(plan):
    async def go():
        backend, config = await opened(plan, ISOLATED)
        near, _ = await opened(plan)
        (instance,) = backend.instances
        assert (config.max_batch_size, backend.memory_bytes) == (4, near.memory_bytes)
        for _ in range(2):
            answers, jobs = await ask(instance, rows(1), rows(3, 7))
            for answer, x in zip(answers, (rows(1), rows(3, 7))):
                np.testing.assert_allclose(answer.outputs[0].data, expected(x))
            assert all(0 < j.inputs_ready_ns <= j.outputs_ready_ns for j in jobs)
            (answer,), (job,) = await ask(instance, rows(9))
            assert answer.error.code is Code.INVALID_ARG
            assert job.failure is Failure.BACKEND
            instance._connection.process.kill()
            for _ in range(200):  # the loss is noticed, then another process starts
                await asyncio.sleep(0.05)
                if instance._connection is not None and instance._connection.process.poll() is None:
                    break
        await backend.close()
        await near.close()

    uvloop.run(go())
