"""Builds in a child process, kept by what they were built from."""

import asyncio
import contextlib
import resource
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
import uvloop
from onnx import TensorProto, helper, save_model

from burnish import plan as plans
from burnish.serve.backends.loading import Place
from burnish.serve.backends.onnx import built_plan
from burnish.serve.config.parse_text import parse_text
from burnish.serve.status import ServeError


def write(path, operator="Relu", shape=(2, 3)):
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def build(file, cache, config="", **limits):
    told = []

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), cache, **limits)
        return await built_plan(file, parse_text(f'name: "m" {config}'), place, told.append)

    return uvloop.run(go()), told


def test_a_plan_is_built_once_and_again_when_the_file_changes(tmp_path):
    file, cache = write(tmp_path / "m" / "1" / "model.onnx"), tmp_path / "cache"
    first, told = build(file, cache)
    assert first.is_file()
    assert told
    assert build(file, cache) == (first, [])
    write(file, "Sigmoid")
    second, _ = build(file, cache)
    assert second != first
    assert sorted(cache.iterdir()) == sorted([first, second])


def test_models_of_one_file_that_load_at_once_are_built_once(tmp_path):
    files = [write(tmp_path / name / "1" / "model.onnx") for name in "ab"]
    told: list[str] = []

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), tmp_path / "cache")
        config = parse_text('name: "m"')
        return await asyncio.gather(*(built_plan(f, config, place, told.append) for f in files))

    first, second = uvloop.run(go())
    assert first == second
    assert first.is_file()
    assert told.count("waiting to be built") == 2


def test_a_model_that_cannot_be_built_says_why_and_leaves_nothing(tmp_path):
    file = tmp_path / "m" / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a model")
    with pytest.raises(ServeError, match="E10") as found:
        build(file, tmp_path / "cache")
    assert "where: model.onnx" in found.value.message
    assert str(tmp_path) not in found.value.message
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(ServeError, match=r"no file 'gone\.onnx'"):
        build(tmp_path / "gone.onnx", tmp_path / "cache")


def test_a_build_ends_at_its_memory_limit_and_not_the_server(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx")
    for of_server, of_model in ((200, 300), (300, 200), (0, 200)):
        config = f'parameters {{ key: "burnish.build.memory" value {{ string_value: "{of_model}MiB" }} }}'
        with pytest.raises(ServeError, match="may use 200 MiB of memory"):
            build(file, tmp_path / "cache", config, build_bytes=of_server << 20)


def test_a_full_or_missing_disk_is_an_error_of_the_load(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx")
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ServeError, match="build cache"):
        build(file, blocked / "cache")


def test_a_model_that_can_be_batched_is_built_for_the_batches_that_it_will_be_given(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx", shape=("n", 3))
    for config, most in (("", 4), ("max_batch_size: 16", 16)):
        plan, _ = build(file, tmp_path / "cache", config)
        (symbol,) = plans.read(plan).manifest.symbols
        assert (symbol.min, symbol.max) == (1, most)


def test_a_size_that_nobody_gave_is_asked_for_in_the_words_of_a_configuration(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx", shape=("n", "k"))
    with pytest.raises(ServeError, match=r"(?s)E627.*burnish\.build\.shapes, or burnish\.build\.min"):
        build(file, tmp_path / "cache")
    config = 'parameters { key: "burnish.build.shapes" value { string_value: "x:2x3" } }'
    plan, _ = build(file, tmp_path / "cache", config)
    assert plans.read(plan).manifest.inputs[0].shape == (2, 3)


def test_where_plans_must_be_signed_none_is_built(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx")
    with pytest.raises(ServeError, match="only signed plans are served"):
        build(file, tmp_path / "cache", trusted_key=tmp_path / "key")


def builds_of(file):
    found = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):  # it has just ended
            found += [child] if str(file) in child.cmdline() else []
    return found


def test_a_build_that_is_killed_fails_its_load_alone_and_leaves_nothing(tmp_path):
    file, cache = write(tmp_path / "m" / "1" / "model.onnx"), tmp_path / "cache"

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), cache)
        building = asyncio.create_task(built_plan(file, parse_text('name: "m"'), place, lambda doing: None))
        while not (builds := builds_of(file)):
            await asyncio.sleep(0.01)
        builds[0].kill()
        with pytest.raises(ServeError, match="by signal 9"):
            await building
        return await built_plan(file, parse_text('name: "m"'), place, lambda doing: None)

    plan = uvloop.run(go())
    assert list(cache.iterdir()) == [plan]


def test_a_disk_that_is_full_fails_the_load_with_the_reason_and_leaves_nothing(tmp_path):
    file, cache = write(tmp_path / "m" / "1" / "model.onnx"), tmp_path / "cache"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))  # no file may grow beyond it, as on a full disk
    try:
        with pytest.raises(ServeError, match="E403"):
            build(file, cache)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(cache.iterdir()) == []
