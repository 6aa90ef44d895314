"""Write burnish/serve/proto/*_pb2.py and .pyi from the .proto files there.     make proto

What protoc writes is changed in two places: the descriptors go to a pool of our own (burnish/serve/proto/pool.py says
why), and one module imports another by its full name.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

FOLDER = Path(__file__).parents[1] / "burnish" / "serve" / "proto"
PACKAGE = "burnish.serve.proto"


def generated() -> dict[str, bytes]:
    """File name -> content, of every .proto file."""
    names = sorted(p.name for p in FOLDER.glob("*.proto"))
    with tempfile.TemporaryDirectory() as out:
        command = ["protoc", f"-I{FOLDER}", f"--python_out={out}", f"--pyi_out={out}", *names]
        if protoc.main(command) != 0:
            raise SystemExit("protoc refuses the .proto files; its message stands above")
        return {p.name: _ours(p.read_text(encoding="utf-8")).encode() for p in sorted(Path(out).iterdir())}


def _ours(text: str) -> str:
    default = "from google.protobuf import descriptor_pool as _descriptor_pool"
    text = text.replace(default, f"from {PACKAGE}.pool import POOL").replace("_descriptor_pool.Default()", "POOL")
    text = text.replace("import model_config_pb2 as", f"from {PACKAGE} import model_config_pb2 as")
    return text.replace("Messages(DESCRIPTOR, '", f"Messages(DESCRIPTOR, '{PACKAGE}.")


if __name__ == "__main__":
    for name, content in generated().items():
        (FOLDER / name).write_bytes(content)
    print(f"wrote {FOLDER}", file=sys.stderr)
