"""Triton sources to cubins, on any machine: no GPU, no toolkit, nothing written outside a folder of its own.

The same source and target give the same bytes in every process: a cubin holds no file name, line number or time.
Many sources are compiled in parallel processes (pool.py); this module compiles one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import linecache
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from burnish.errors import BurnishError, EnvironmentProblem, InternalError
from burnish.target import Target
from burnish.targets.cuda.chips import chip_of
from burnish.targets.cuda.source import Parameter, Pointer, Size, Source, TensorMap

_SWIZZLE_BYTES = (0, 32, 64, 128)
_NAMES = {
    "f64": "fp64", "f32": "fp32", "f16": "fp16", "bf16": "bf16", "f8e4m3": "fp8e4nv", "bool": "i8",
    "i64": "i64", "i32": "i32", "i16": "i16", "i8": "i8", "u64": "u64", "u32": "u32", "u16": "u16", "u8": "u8",
}  # fmt: skip
_SHOWN_LINES = 12
_PRODUCT_OF_BYTES = re.compile(r"(\b(?:wg)?mma[\w.:]*?)(?:\.satfinite)?\.s32\.s8\.s8\b")
_COMPILERS_OWN = ("TRITON_", "LLVM_", "MLIR_", "NVPTX_", "PTXAS_", "AMDGCN_")
_COMPILERS_OTHERS = ("DISABLE_LLVM_OPT", "DISABLE_PTXAS_OPT", "USE_IR_LOC", "ALLOW_LHS_TMEM_LAYOUT_CONVERSION")


@dataclass(frozen=True, slots=True)
class Cubin:
    """Machine code for one architecture, and what its launch needs.

    maps               for each TensorMap parameter, in order: the box that one copy brings (the compiler may have
                       narrowed it) and the bytes of shared memory's swizzle pattern (0, 32, 64 or 128).
                       In the code's parameter list a map is followed by the tensor's sizes (i32) and strides (i64)
    trailing_pointers  null pointers after the source's own parameters (Triton's scratch spaces, which are empty)
    """

    content: bytes
    entry: str
    threads: int
    shared_bytes: int
    maps: tuple[tuple[tuple[int, ...], int], ...] = ()
    trailing_pointers: int = 0


def compile_one(source: Source, target: Target) -> Cubin:
    """Compile one source here and now."""
    triton = import_triton()
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    corrected: list[int] = []
    settings = _private_settings(triton, source, corrected)
    with _own_environment(), _kernel_of(source, triton) as function, settings:
        tree = ASTSource(function, signature=_signature(source, target), attrs=_attributes(source.parameters))
        options = {"num_warps": source.warps, "num_stages": source.stages, "maxnreg": source.registers or None}
        said = io.StringIO()
        try:
            with contextlib.redirect_stdout(said):
                found = triton.compile(tree, target=GPUTarget("cuda", target.capability, 32), options=options)
        except Exception as e:
            raise _refused(source, target, e) from e
        if source.signs and not any(corrected):
            missing = RuntimeError("its PTX holds no product of bytes in the form in which operands get their signs")
            raise _refused(source, target, missing)
        if (needed := found.metadata.shared) > chip_of(target).shared_bytes:
            raise _refused(source, target, RuntimeError(f"it needs {needed:,} bytes of shared memory"))
        return _cubin(found, source)


def import_triton() -> Any:
    """The compiler. E840 if it is not installed."""
    try:
        with _own_environment():
            import triton
    except ImportError as e:
        raise EnvironmentProblem(
            "E840",
            "cannot build for a GPU: the package triton is not installed",
            hint="pip install 'burnish[cuda]'",
        ) from e
    return triton


def namespace(triton: Any) -> dict[str, Any]:
    """The names that a source may use without importing them."""
    import triton.language as tl
    from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait, libdevice, num_threads

    return {
        "__name__": "burnish_kernel",
        "triton": triton,
        "tl": tl,
        "libdevice": libdevice,
        "gdc_wait": gdc_wait,
        "num_threads": num_threads,
        "gdc_launch_dependents": gdc_launch_dependents,
    }


@contextlib.contextmanager
def loaded(source: Source, names: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The source's names, executed; `inspect` finds its lines while this is open."""
    name = f"<burnish {hashlib.sha256(source.text.encode()).hexdigest()[:16]}>"
    linecache.cache[name] = (len(source.text), None, source.text.splitlines(keepends=True), name)
    try:
        exec(compile(source.text, name, "exec"), names)
        yield names
    finally:
        linecache.cache.pop(name, None)


@contextlib.contextmanager
def _kernel_of(source: Source, triton: Any) -> Iterator[Any]:
    with loaded(source, namespace(triton)) as names:
        yield names["kernel"]


@contextlib.contextmanager
def _private_settings(triton: Any, source: Source, corrected: list[int]) -> Iterator[None]:
    """Triton's cache in a folder that goes away, no lines of files in the code, and what Triton has no words for.

    One part of its cache keys is left out: a digest of all of Triton's files, which takes 0.7 s in each process.
    """
    folder = tempfile.mkdtemp(prefix="burnish-")
    caches: Any = importlib.import_module("triton.runtime.cache")
    digest, caches.triton_key = caches.triton_key, lambda: triton.__version__
    try:
        with triton.knobs.cache.scope(), triton.knobs.compilation.scope(), triton.knobs.runtime.scope():
            triton.knobs.cache.dir = folder
            triton.knobs.compilation.disable_line_info = True
            triton.knobs.compilation.always_compile = True
            triton.knobs.compilation.store_binary_only = True
            if source.signs or source.near:
                triton.knobs.runtime.add_stages_inspection_hook = partial(_change_ptx, source, corrected)
            yield
    finally:
        caches.triton_key = digest
        shutil.rmtree(folder, ignore_errors=True)


def _change_ptx(source: Source, corrected: list[int], backend: Any, stages: dict[str, Any], *others: Any) -> None:
    """What Triton has no words for.

    Products of bytes read their operands by their signs, and sums wrap: Triton takes int8 alone, and saturates.

        mma....satfinite.s32.s8.s8.s32  ->  mma....s32.u8.s8.s32        wgmma....s32.s8.s8  ->  wgmma....s32.u8.s8

    Near loads: cp.async.cg passes the processor's own cache by, cp.async.ca does not.

    corrected: gets how many products there were
    """
    del backend, others
    wanted = ".".join(sign.replace("i8", "s8") for sign in source.signs)
    make = stages["ptx"]

    def make_and_change(module: Any, metadata: Any) -> str:
        text: str = make(module, metadata)
        if wanted:
            text, count = _PRODUCT_OF_BYTES.subn(rf"\g<1>.s32.{wanted}", text)
            corrected.append(count)
        return text.replace("cp.async.cg.", "cp.async.ca.") if source.near else text

    stages["ptx"] = make_and_change


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """The environment without the variables that change the output of Triton, LLVM and ptxas."""
    names = [n for n in os.environ if n.startswith(_COMPILERS_OWN) or n in _COMPILERS_OTHERS]
    hidden = {n: os.environ.pop(n) for n in names}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _signature(source: Source, target: Target) -> dict[str, str]:
    found = {}
    for p in source.parameters:
        element = "i32" if not hasattr(p, "dtype") else _NAMES[p.dtype.value]
        if isinstance(p, TensorMap):
            if not chip_of(target).has_copy_engine:
                raise InternalError("E901", f"a tensor map for {target}, which has no copy engine")
            found[p.name] = f"tensordesc<{element}[{','.join(map(str, p.box))}]>"
        else:
            found[p.name] = element if isinstance(p, Size) else f"*{element}"
    return found


def _attributes(parameters: Sequence[Parameter]) -> dict[tuple[int, ...], list[list[object]]]:
    """The facts that the compiler may assume about parameters."""
    found: dict[tuple[int, ...], list[list[object]]] = {}
    for n, p in enumerate(parameters):
        divisible = p.divisible if isinstance(p, Pointer | Size) else 1 if isinstance(p, TensorMap) else 16
        if divisible > 1:
            found[n,] = [["tt.divisibility", divisible]]
    return found


def _cubin(found: Any, source: Source) -> Cubin:
    metadata = found.metadata
    if metadata.global_scratch_size or metadata.profile_scratch_size:
        raise InternalError("E901", "a kernel wants scratch memory from its launcher", where=_first_lines(source))
    described = metadata.tensordesc_meta or []
    maps = tuple((tuple(m["block_size"]), _SWIZZLE_BYTES[m["swizzle"]]) for m in described)
    return Cubin(
        content=found.asm["cubin"],
        entry=metadata.name,
        threads=32 * metadata.num_warps,
        shared_bytes=metadata.shared,
        maps=maps,
        trailing_pointers=2,
    )


def _refused(source: Source, target: Target, error: Exception) -> BurnishError:
    reason = str(error).strip() or type(error).__name__
    return InternalError(
        "E920",
        f"a kernel does not compile for {target}",
        where=f"{source.name or 'kernel'}, {source.warps} warps, {source.stages} stages\n{_first_lines(source)}",
        why=reason[-2000:],
        hint="please report it with the lines above; another schedule may avoid it (--opt-level 0, or a timing cache)",
    )


def _first_lines(source: Source) -> str:
    return "\n".join(source.text.splitlines()[:_SHOWN_LINES])
