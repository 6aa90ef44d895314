"""Builds in a child process, kept by what they were built from."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from onnx import TensorProto, helper, save_model

from burnish.serve.backends.loading import Place
from burnish.serve.backends.onnx import built_plan
from burnish.serve.config.parse_text import parse_text
from burnish.serve.status import ServeError


def write(path, operator="Relu"):
    graph = helper.make_graph(
        [helper.make_node(operator, ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), path)
    return path


def build(file, cache, **limits):
    told = []

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), cache, **limits)
        return await built_plan(file, parse_text('name: "m"'), place, told.append)

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


def test_a_model_that_cannot_be_built_says_why_and_leaves_nothing(tmp_path):
    file = tmp_path / "m" / "1" / "model.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"not a model")
    with pytest.raises(ServeError, match="E10"):
        build(file, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
    with pytest.raises(ServeError, match=r"no file 'gone\.onnx'"):
        build(tmp_path / "gone.onnx", tmp_path / "cache")


def test_a_build_ends_at_its_memory_limit_and_not_the_server(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx")
    with pytest.raises(ServeError, match="may use 200 MiB of memory"):
        build(file, tmp_path / "cache", build_bytes=200 << 20)


def test_a_full_or_missing_disk_is_an_error_of_the_load(tmp_path):
    file = write(tmp_path / "m" / "1" / "model.onnx")
    blocked = tmp_path / "file"
    blocked.touch()
    with pytest.raises(ServeError, match="build cache"):
        build(file, blocked / "cache")
