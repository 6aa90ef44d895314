"""Models that do not start."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from burnish.serve.backends.loading import Place
from burnish.serve.backends.python.loading import PythonLoading
from burnish.serve.config.parse_text import parse_text
from burnish.serve.status import ServeError


async def load(folder, text, parameters=""):
    (folder / "1").mkdir(exist_ok=True)
    if text:
        (folder / "1" / "model.py").write_text(text)
    config = parse_text(f'name: "m" backend: "python" default_model_filename: "model.py" {parameters}')
    place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), folder)
    loading = await PythonLoading.begin(config, folder, 1, place)
    try:
        await loading.complete(config)
        backend = await loading.open(config)
    except BaseException:
        await loading.abort()
        raise
    await backend.close()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "Python model file not found"),
        ("x = 1", "AttributeError: module '1.model' has no attribute 'TritonPythonModel'"),
        ("import nosuchmodule", "ModuleNotFoundError: No module named 'nosuchmodule'"),
        (
            "class TritonPythonModel:\n    def initialize(self, args): raise RuntimeError('no start')",
            "RuntimeError: no start",
        ),
        ("class TritonPythonModel: pass", "must implement 'execute'"),
    ],
)
def test_a_model_that_does_not_start_says_why_and_leaves_no_process(tmp_path, text, words):
    async def go():
        with pytest.raises(ServeError, match=words.replace("(", r"\(")):
            await load(tmp_path, text)

    uvloop.run(go())


def test_a_parameter_of_tritons_python_backend_has_the_values_that_it_has_there(tmp_path):
    parameters = 'parameters { key: "FORCE_CPU_ONLY_INPUT_TENSORS" value { string_value: "maybe" } }'
    with pytest.raises(ServeError, match="Incorrect value for FORCE_CPU_ONLY_INPUT_TENSORS: maybe'"):
        uvloop.run(load(tmp_path, "x = 1", parameters))
