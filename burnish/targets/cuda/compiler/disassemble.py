"""A cubin as the GPU's own assembly, to be read. The disassembler comes with Triton."""

from __future__ import annotations

import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path

from burnish.targets.cuda.compiler.compile import Cubin


def disassemble(cubin: Cubin) -> str:
    """The instructions as nvdisasm prints them; if nvdisasm fails, a line that says so."""
    found = find_spec("triton")
    tool = Path(found.origin).parent / "backends" / "nvidia" / "bin" / "nvdisasm" if found and found.origin else None
    if tool is None or not tool.is_file():
        return "nvdisasm, which comes with triton, is not installed\n"
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin.content)
        file.flush()
        done = subprocess.run([tool, "-c", file.name], capture_output=True, text=True)
    return done.stdout if done.returncode == 0 else f"nvdisasm: {done.stderr.strip()}\n"
