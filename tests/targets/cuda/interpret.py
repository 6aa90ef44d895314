"""Run a kernel's source in Triton's interpreter, on numpy arrays, without a GPU.

`interpret` hands sources to one process that has TRITON_INTERPRET set before it imports Triton, so that compiling goes
on as usual in this one. interpreter_process.py is what runs there.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from burnish.targets.cuda.source import Pointer, Source, TensorMap, Workspace

_ROOT = Path(__file__).parents[3]
_process: subprocess.Popen | None = None


def interpret(
    source: Source,
    arrays: Mapping[int, np.ndarray],
    sizes: Mapping[str, int] | None = None,
    offsets: Mapping[int, int] | None = None,
    written: set[int] | None = None,
) -> None:
    """Run every program of the grid, one after the other; arrays are changed in place.

    arrays   for each slot a contiguous array whose elements are the slot's memory; bfloat16 as ml_dtypes has it
    sizes    the value of each symbol;  offsets: where in its array a slot's element 0 lies (default 0)
    written  the slots that may be written (default: all); a store elsewhere, or an access outside an array, is an error
    """
    wanted = {p.slot for p in source.parameters if isinstance(p, Pointer | TensorMap)}
    for n in wanted:
        assert arrays[n].flags.c_contiguous, f"slot {n} is not contiguous"
    task = (source, {n: arrays[n] for n in sorted(wanted)}, dict(sizes or {}), dict(offsets or {}), written)
    answer = _ask(task)
    if isinstance(answer, str):
        raise AssertionError(f"{answer}\n{source.text}")
    for n, array in answer.items():
        arrays[n][...] = array


def _ask(task: object) -> dict[int, np.ndarray] | str:
    global _process
    if _process is None or _process.poll() is not None:
        environment = {**os.environ, "TRITON_INTERPRET": "1", "PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])}
        command = [sys.executable, "-c", "from tests.targets.cuda.interpreter_process import serve; serve()"]
        _process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, cwd=_ROOT)
        atexit.register(stop)
    pickle.dump(task, _process.stdin)
    _process.stdin.flush()
    return pickle.load(_process.stdout)


def stop() -> None:
    """End the interpreter's process."""
    global _process
    if _process is not None:
        _process.stdin.close()
        _process.stdout.close()
        _process.wait()
        _process = None


def has_workspace(source: Source) -> bool:
    """Does a launch need memory of its own? The interpreter gives it zeros, or garbage where it need not be zero."""
    return any(isinstance(p, Workspace) for p in source.parameters)
