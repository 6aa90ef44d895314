"""Sources become cubins without a GPU: for every architecture, the same bytes in any process, errors that say which."""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import EnvironmentProblem, InternalError
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.compiler import compile as compiling
from burnish.targets.cuda.compiler import pool as compile_pool
from burnish.targets.cuda.compiler.compile import compile_one
from burnish.targets.cuda.compiler.pool import compile_sources, try_sources
from burnish.targets.cuda.source import Pointer, Size, Source, TensorMap, Workspace

HOPPER = parse_target("cuda:sm_90a")
TEXT = """
@triton.jit
def kernel(x, y, n):
    i = tl.program_id(0) * 256 + tl.arange(0, 256)
    v = tl.load(x + i, mask=i < n).to(tl.float32)
    tl.store(y + i, (libdevice.tanh(v) + tl.erf(v)).to(tl.float16), mask=i < n)
"""
PARAMETERS = (Pointer("x", 0, DType.F16), Pointer("y", 1, DType.F16), Size("n", symbol("n")))
SIMPLE = Source(TEXT, PARAMETERS, (1, 1, 1), warps=2, name="simple block=256")
TILES = """
@triton.jit
def kernel(d, w, y, n):
    gdc_wait()
    i = tl.arange(0, 64)
    tl.store(y + i[:, None] * 64 + i[None, :], d.load([n.to(tl.int32), 0]))
    tl.store(w + i, n)
"""
MAPPED = Source(
    TILES,
    (
        TensorMap("d", 0, DType.F16, (100, 128), (128, 1), (64, 64)),
        Workspace("w", DType.I32, 256),
        Pointer("y", 1, DType.F16),
        Size("n", symbol("n"), DType.I64),
    ),
    (1, 1, 1),
    overlaps=True,
)


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    monkeypatch.setattr(compile_pool, "_known", {})


@pytest.fixture
def three_cores(monkeypatch):
    """On one core nothing is compiled by other processes."""
    monkeypatch.setattr(compile_pool, "core_count", lambda: 3)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_architecture_has_cubins(architecture):
    cubin = compile_one(SIMPLE, parse_target(f"cuda:{architecture}"))
    assert cubin.content[:4] == b"\x7fELF"
    assert (cubin.entry, cubin.threads, cubin.maps, cubin.trailing_pointers) == ("kernel", 64, (), 2)


@pytest.mark.parametrize("architecture", ["sm_100", "sm_120"])
def test_code_for_newer_chips_is_for_one_chip_alone(architecture):
    """What devices/cuda/probe.py takes for granted; where this fails, later minor numbers may run the code too."""
    assert f"{architecture}a".encode() in compile_one(SIMPLE, parse_target(f"cuda:{architecture}")).content


def parameter_sizes(cubin):
    """The size of each parameter of the only kernel, from .nv.info.kernel (EIATTR_KPARAM_INFO: 4, 0x17)."""
    data, found = cubin, {}
    start = 0
    record = struct.pack("<BBH", 4, 0x17, 12)
    while (start := data.find(record, start)) >= 0:
        _, ordinal, _, packed = struct.unpack("<IHHI", data[start + 4 : start + 16])
        found[ordinal] = packed >> 18
        start += 16
    return [found[n] for n in sorted(found)]


def test_the_parameters_are_the_sources_own_then_null_pointers():
    cubin = compile_one(SIMPLE, HOPPER)
    assert parameter_sizes(cubin.content) == [8, 8, 4, *[8] * cubin.trailing_pointers]


def test_a_tensor_map_is_followed_by_sizes_and_strides():
    cubin = compile_one(MAPPED, HOPPER)
    assert cubin.maps == (((64, 64), 128),)
    assert parameter_sizes(cubin.content) == [128, 4, 4, 8, 8, 8, 8, 8, *[8] * cubin.trailing_pointers]
    assert cubin.shared_bytes >= 64 * 64 * 2


def test_a_tensor_map_needs_a_copy_engine():
    with pytest.raises(InternalError, match="E901"):
        compile_one(MAPPED, parse_target("cuda:sm_80"))


def test_another_process_makes_the_same_bytes(tmp_path):
    code = (
        "import hashlib, sys\n"
        "from tests.targets.cuda.compiler.test_compile import SIMPLE, MAPPED, HOPPER\n"
        "from burnish.targets.cuda.compiler.compile import compile_one\n"
        "print([hashlib.sha256(compile_one(s, HOPPER).content).hexdigest() for s in (SIMPLE, MAPPED)])\n"
    )
    root = os.getcwd()
    environment = {
        **os.environ, "PYTHONPATH": os.pathsep.join([root, *sys.path]), "PYTHONHASHSEED": "77", "HOME": "/nowhere",
        "TRITON_CACHE_DIR": "/nowhere/cache", "TRITON_DISABLE_LINE_INFO": "0", "TRITON_INTERPRET": "1",
        "TRITON_DEFAULT_FP_FUSION": "0", "DISABLE_LLVM_OPT": "1", "DISABLE_PTXAS_OPT": "1", "PTXAS_OPTIONS": "-O0",
        "TRITON_PTXAS_PATH": "/bin/false",
    }  # fmt: skip
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    here = [hashlib.sha256(compile_one(s, HOPPER).content).hexdigest() for s in (SIMPLE, MAPPED)]
    assert found.stdout.strip() == str(here)


def test_no_digest_of_tritons_own_files_is_made(monkeypatch):
    """It takes longer than a kernel; Triton makes it for its cache, which is empty here."""
    from triton.runtime import cache

    digest = lambda: pytest.fail("asked for")
    monkeypatch.setattr(cache, "triton_key", digest)
    compile_one(SIMPLE, HOPPER)
    assert cache.triton_key is digest


def variants(count, text=TEXT):
    return [
        (Source(text + "\n" * n, PARAMETERS, (1, 1, 1), name=f"variant {n}"), parse_target("cuda:sm_80"))
        for n in range(count)
    ]


def test_many_sources_are_compiled_by_processes_in_order_and_once(three_cores):
    told = []
    tasks = variants(6)
    cubins = compile_sources([*tasks, *tasks], lambda done, total: told.append((done, total)))
    assert told == [(n + 1, 6) for n in range(6)]
    assert cubins[:6] == cubins[6:]
    assert cubins[3] == compile_one(*tasks[3])
    told.clear()
    assert compile_sources(tasks, lambda done, total: told.append((done, total))) == cubins[:6]
    assert told == []  # remembered


def test_a_source_that_does_not_compile_is_named_and_the_others_are_made(three_cores):
    broken = Source(TEXT.replace("tl.erf", "tl.nonsense"), PARAMETERS, (1, 1, 1), name="loops rows=3")
    tasks = [*variants(5), (broken, HOPPER)]
    found = try_sources(tasks)
    assert [type(f).__name__ for f in found] == ["Cubin"] * 5 + ["InternalError"]
    for few in (tasks, tasks[-1:]):
        with pytest.raises(InternalError, match="E920") as caught:
            compile_sources(few)
        assert "loops rows=3, 4 warps, 3 stages" in str(caught.value)
        assert "def kernel(x, y, n):" in str(caught.value)
        assert "nonsense" in caught.value.why


def test_a_compiler_that_dies_is_reported_for_its_source(monkeypatch, three_cores):
    real = compile_pool.subprocess.Popen

    def dying(command, **options):
        return real([sys.executable, "-c", "import sys; sys.exit(1)"], **options)

    monkeypatch.setattr(compile_pool.subprocess, "Popen", dying)
    found = try_sources(variants(5))
    assert {f.code for f in found} == {"E921"}


def test_an_exception_of_the_progress_report_ends_the_build(three_cores):
    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_sources(variants(5), interrupt)


def test_threads_take_turns_and_know_what_others_compiled(monkeypatch):
    """The compiler's settings are the process's: two kernels at once would see each other's."""
    inside, most, compiled = [], [], []

    def slow(task):
        inside.append(task)
        time.sleep(0.01)
        most.append(len(inside))
        compiled.append(inside.pop())
        return InternalError("E920", task[0].name)

    monkeypatch.setattr(compile_pool, "_answer", slow)
    tasks = variants(3)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: try_sources([tasks[n % 3]]), range(8)))
    assert [a[0].what for a in answers] == [f"variant {n % 3}" for n in range(8)]
    assert set(most) == {1} and len(compiled) == 3


def test_without_triton_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", None)
    with pytest.raises(EnvironmentProblem, match="E840"):
        compiling.import_triton()
