"""An ONNX file of a repository: built once into a plan, in a child process, and kept by what it was built from."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import platform
import resource
import sys
from collections.abc import Sequence
from pathlib import Path

from burnish.devices.cpu.processor import best_target
from burnish.serve.backends.loading import Place, Tell
from burnish.serve.config.options.options import Options
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.status import Code, ServeError
from burnish.version import __version__

_ROOT = str(Path(__file__).parents[3])  # the child runs this Burnish, whatever else is installed
_WHERE = "\nin a configuration: burnish.build.shapes, or burnish.build.min, .opt and .max"


async def built_plan(file: Path, config: pb.ModelConfig, place: Place, tell: Tell) -> Path:
    """The plan of an ONNX file, out of the cache or built now. ServeError with the build's own words.

    The name in the cache is the hash of the file, its external data, the options, this machine's target and Burnish's
    version. Two servers that build the same plan write the same bytes, each to a name of its own, and then rename it.
    """
    if not file.is_file():
        raise ServeError(Code.NOT_FOUND, f"the version has no file '{file.name}'")
    if place.trusted_key is not None:
        raise ServeError(
            Code.INVALID_ARG,
            f"'{file.name}' has no signature, and only signed plans are served: build and sign it",
        )
    options = Options.of(config)
    arguments = options.build_arguments(config)
    key = await asyncio.to_thread(_key, file, arguments)
    plan = place.cache / f"{key}.plan"
    limits = [n for n in (place.build_bytes, options.build.memory_bytes) if n]
    if not plan.is_file():
        tell("waiting to be built")
    async with place.building:
        if plan.is_file():
            os.utime(plan)  # of a cache that is cleaned by age, what is used stays
        else:
            await _build_into(plan, file, arguments, min(limits, default=0), tell)
    return plan


async def _build_into(plan: Path, file: Path, arguments: Sequence[str], limit_bytes: int, tell: Tell) -> None:
    """The plan in its place in the cache, whole or not at all."""
    part = plan.with_suffix(f".{os.getpid()}.part")
    try:
        await asyncio.to_thread(plan.parent.mkdir, parents=True, exist_ok=True)
        await _build(file, part, arguments, limit_bytes, tell)
        await asyncio.to_thread(os.replace, part, plan)
    except OSError as error:
        raise ServeError(Code.INTERNAL, f"the plan cannot be kept in the build cache: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


async def _build(file: Path, plan: Path, arguments: Sequence[str], limit_bytes: int, tell: Tell) -> None:
    """One build; the last lines that it printed are the reason if it fails, and its stages go to `tell`."""
    command = [sys.executable, "-m", "burnish", "build", str(file), "-o", str(plan), *arguments]
    child = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in (_ROOT, os.environ.get("PYTHONPATH", "")) if p)},
    )
    if limit_bytes:
        resource.prlimit(child.pid, resource.RLIMIT_AS, (limit_bytes, limit_bytes))
    assert child.stdout is not None
    lines: list[str] = []
    try:
        async for raw in child.stdout:
            line = raw.decode(errors="replace").rstrip()
            for folder in (file.parent, plan.parent):  # clients are not told where this machine keeps its files
                line = line.replace(f"{folder}{os.sep}", "")
            if line:
                lines.append(line)
                tell(f"building: {line.strip()[:120]}")
        status = await child.wait()
    except BaseException:
        child.kill()
        raise
    if status:
        raise ServeError(Code.INTERNAL, _why(lines, status, limit_bytes))


def _why(lines: list[str], status: int, limit_bytes: int) -> str:
    """What the build printed last. A limit is named wherever want of memory may have shown itself: Python itself
    may end in any error then."""
    starts = [n for n, line in enumerate(lines) if line.startswith(("error ", "internal error "))]
    text = "\n".join(lines[starts[0] if starts else -8 :])
    may_be_memory = status < 0 or not starts or "E901" in text or "memory" in text.lower()
    limit = f" (it may use {limit_bytes >> 20} MiB of memory)" if limit_bytes and may_be_memory else ""
    ended = f" by signal {-status}" if status < 0 else ""
    where = _WHERE if "E627" in text else ""
    return f"the build of the plan failed{ended}{limit}: {text}{where}"


def _key(file: Path, arguments: Sequence[str]) -> str:
    found = hashlib.sha256()
    for path in [file, *sorted(p for p in file.parent.iterdir() if p.is_file() and p != file)]:
        with path.open("rb") as stream:
            found.update(path.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    where = [__version__, platform.machine(), str(best_target())]
    found.update(json.dumps([list(arguments), where]).encode())
    return found.hexdigest()
