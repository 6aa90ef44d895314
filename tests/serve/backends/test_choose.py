import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop

from burnish.serve.backends.choose import begin
from burnish.serve.backends.loading import Place
from burnish.serve.config.parse_text import parse_text
from burnish.serve.status import ServeError


@pytest.mark.parametrize(
    ("backend", "words"),
    [
        ("nosuch", "unable to find backend library for backend 'nosuch'"),
        ("burnish", r"no file 'model\.plan'"),
        ("onnxruntime", r"no file 'model\.onnx'"),
        ("python", "Python model file not found"),
    ],
)
def test_each_backend_looks_for_its_own_file(tmp_path, backend, words):
    file = {"onnxruntime": "model.onnx", "python": "model.py"}.get(backend, "model.plan")
    config = parse_text(f'name: "m" backend: "{backend}" default_model_filename: "{file}"')

    async def go():
        place = Place(asyncio.get_running_loop(), ThreadPoolExecutor(1), tmp_path)
        with pytest.raises(ServeError, match=words):
            await begin(config, tmp_path, 1, place, lambda doing: None)

    uvloop.run(go())
