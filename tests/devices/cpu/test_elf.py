"""elf.py: object code is mapped, relocated and run; a damaged object is refused, never run."""

from __future__ import annotations

import ctypes
import functools

import pytest
from llvmlite import ir

from burnish.devices.cpu import elf
from burnish.devices.cpu.elf import load_object
from burnish.errors import EnvironmentProblem, InternalError
from burnish.target import Target
from burnish.targets.cpu.codegen import compile_module

I64 = ir.IntType(64)


@functools.cache
def table_lookup() -> bytes:
    """lookup(n) = one of 200 constants, through a table in read-only data: needs relocations."""
    module = ir.Module("m")
    content = ir.Constant(ir.ArrayType(I64, 200), [n * n for n in range(200)])
    table = ir.GlobalVariable(module, content.type, "table")
    table.linkage, table.global_constant, table.initializer = "internal", True, content
    function = ir.Function(module, ir.FunctionType(I64, [I64]), "lookup")
    b = ir.IRBuilder(function.append_basic_block("entry"))
    place = b.gep(table, [I64(0), function.args[0]])
    b.ret(b.load(place))
    return compile_module(module, Target("cpu", "x86-64-v2"))


def test_code_and_its_data_are_placed_and_relocated():
    loaded = load_object(table_lookup(), ["lookup"])
    lookup = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(loaded.symbols["lookup"])
    assert [lookup(n) for n in range(200)] == [n * n for n in range(200)]


def test_a_symbol_that_is_not_there_is_refused():
    with pytest.raises(InternalError, match="E531") as caught:
        load_object(table_lookup(), ["lookup", "burnish_launch"])
    assert "burnish_launch" in caught.value.why


def test_an_external_symbol_is_refused():
    module = ir.Module("m")
    outside = ir.Function(module, ir.FunctionType(I64, []), "getpid")
    function = ir.Function(module, ir.FunctionType(I64, []), "f")
    b = ir.IRBuilder(function.append_basic_block("entry"))
    b.ret(b.call(outside, []))
    with pytest.raises(InternalError, match="E531") as caught:
        load_object(compile_module(module, Target("cpu", "x86-64-v2")), ["f"])
    assert "external" in caught.value.why


@pytest.mark.parametrize("content", [b"", b"no object", b"\x7fELF\x02\x01" + bytes(200)])
def test_what_is_no_object_is_refused(content: bytes):
    with pytest.raises(InternalError, match="E531"):
        load_object(content, [])


def test_no_truncation_and_no_flipped_byte_crashes_the_loader():
    """The plan's checksums catch these first; the loader stands on its own feet all the same."""
    code = table_lookup()
    for length in range(0, len(code), 7):
        _load_anyway(code[:length])
    for place in range(len(code)):
        _load_anyway(code[:place] + bytes([code[place] ^ 0xFF]) + code[place + 1 :])


def _load_anyway(code: bytes) -> None:
    try:
        load_object(code, ["lookup"])
    except InternalError as error:
        assert error.code == "E531"


def test_a_system_without_executable_memory_is_the_environments_problem(monkeypatch: pytest.MonkeyPatch):
    class Strict:
        @staticmethod
        def mprotect(*_: object) -> int:
            return -1

    monkeypatch.setattr(elf.ctypes, "CDLL", lambda *_, **__: Strict)
    with pytest.raises(EnvironmentProblem, match="E830"):
        load_object(table_lookup(), ["lookup"])
