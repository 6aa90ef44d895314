"""A real tritonserver, out of nvidia-pytriton's wheel, that serves an identity model with dynamic batching."""

from __future__ import annotations

import shutil
from pathlib import Path

MODEL = """import triton_python_backend_utils as pb_utils
class TritonPythonModel:
    def execute(self, requests):
        def same(request):
            given = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            return pb_utils.InferenceResponse([pb_utils.Tensor("OUT", given)])
        return [same(r) for r in requests]
"""
CONFIG = """backend: "python"  max_batch_size: 32  dynamic_batching {}
input { name: "IN" data_type: TYPE_FP32 dims: 64 }  output { name: "OUT" data_type: TYPE_FP32 dims: 64 }
"""


def command_of_triton(environment: Path, port: int, folder: Path) -> list[str]:
    """The command that starts the real server on the identity model."""
    model = folder / "repository" / "identity"
    (model / "1").mkdir(parents=True, exist_ok=True)
    (model / "1" / "model.py").write_text(MODEL)
    (model / "config.pbtxt").write_text(CONFIG)
    server = next(environment.glob("lib/python*/site-packages/pytriton/tritonserver"))
    version = server.parts[-4].removeprefix("python")
    stub = server / "backends" / "python" / "triton_python_backend_stub"
    if not stub.exists():
        shutil.copy(server / "python_backend_stubs" / version / stub.name, stub)
    flags = {"model-repository": model.parent, "backend-directory": server / "backends", "allow-http": "false"}
    flags |= {
        "grpc-address": "127.0.0.1",
        "grpc-port": port,
        "allow-metrics": "false",
        "cache-directory": server / "caches",
    }
    return [str(server / "bin" / "tritonserver"), *(f"--{k}={v}" for k, v in flags.items())]
