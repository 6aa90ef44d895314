"""Map object code into this process: a small linker for the ELF objects that plans carry (docs/native-abi.md).

A plan's object is relocatable, position independent, and has no external symbol, so placing its sections in one mapping
and applying a handful of relocations is all there is to do. That takes 0.2 ms, and the serving process needs no LLVM
(importing llvmlite's loader takes 60 ms, 130 MB of library, and brings llvmlite.ir with it).

The mapping is written first and made executable afterwards, never both at once. Every offset, index and size in
the file is checked against its bounds before use: a damaged object gives E531, not a crash.

Source: System V ABI, AMD64 supplement, "Relocation types"; Tool Interface Standard ELF 1.2.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from burnish.errors import EnvironmentProblem, InternalError

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_SYMBOL_TABLE, _RELOCATIONS, _ZEROS, _ALLOCATED = 2, 4, 8, 2
_ABSOLUTE_64, _RELATIVE_32, _PLT_32, _RELATIVE_64 = 1, 2, 4, 24
_COMMON, _ABSOLUTE = 0xFFF2, 0xFFF1


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    offset: int
    size: int
    link: int
    info: int
    align: int


class LoadedObject:
    """Machine code in memory. `symbols`: the address of each name asked for; valid until the object is dropped."""

    def __init__(self, memory: mmap.mmap, symbols: dict[str, int]) -> None:
        self._memory = memory
        self.symbols = symbols


def load_object(data: bytes | memoryview, wanted: Iterable[str]) -> LoadedObject:
    """Map an object and find its symbols.

    raises: E531 if the bytes are not such an object; E830 if the system refuses executable memory
    """
    view = memoryview(data).cast("B")
    try:
        return _link(view, tuple(wanted))
    except (struct.error, IndexError, KeyError, OverflowError, ValueError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error


def _link(view: memoryview, wanted: tuple[str, ...]) -> LoadedObject:
    sections = _read_sections(view)
    places, size = _place(sections)
    memory = mmap.mmap(-1, max(size, mmap.PAGESIZE), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for number, place in places.items():
        section = sections[number]
        if section.kind != _ZEROS:
            memory[place : place + section.size] = bytes(_content(view, section))
    tables = [n for n, s in enumerate(sections) if s.kind == _SYMBOL_TABLE]
    if len(tables) != 1:
        raise _damaged(f"{len(tables)} symbol tables instead of one")
    names, addresses = _read_symbols(view, sections, sections[tables[0]], places, base)
    for section in sections:
        if section.kind == _RELOCATIONS and section.info in places:
            target = sections[section.info]
            _relocate(_content(view, section), memory, places[section.info], target.size, base, addresses)
    _make_executable(base, len(memory))
    missing = [name for name in wanted if name not in names]
    if missing:
        raise _damaged(f"no symbol {missing[0]}")
    return LoadedObject(memory, {name: names[name] for name in wanted})


def _read_sections(view: memoryview) -> list[_Section]:
    identity, kind, machine, _, _, _, start, _, _, _, _, entry_size, count, names_at = _HEADER.unpack_from(view)
    if identity[:6] != b"\x7fELF\x02\x01" or kind != 1 or machine != 62 or entry_size != _SECTION.size:
        raise _damaged("not a relocatable x86-64 ELF object")
    raw = [_SECTION.unpack_from(view, start + n * entry_size) for n in range(count)]
    strings = raw[names_at]
    text = bytes(view[strings[4] : strings[4] + strings[5]])
    return [
        _Section(_string(text, name), kind, flags, offset, size, link, info, max(align, 1))
        for name, kind, flags, _, offset, size, link, info, align, _ in raw
    ]


def _place(sections: list[_Section]) -> tuple[dict[int, int], int]:
    """An offset in the mapping for each section to load. Unwind tables are left out, because nothing unwinds."""
    places: dict[int, int] = {}
    end = 0
    for number, section in enumerate(sections):
        if section.flags & _ALLOCATED and section.name != ".eh_frame" and section.size:
            if section.align > mmap.PAGESIZE or section.align & (section.align - 1) or section.size > 1 << 31:
                raise _damaged(f"section {section.name} has size {section.size} and alignment {section.align}")
            places[number] = end = -(-end // section.align) * section.align
            end += section.size
    if end > 1 << 31:
        raise _damaged(f"its sections take {end} bytes")
    return places, end


def _content(view: memoryview, section: _Section) -> memoryview:
    if section.offset + section.size > len(view):
        raise _damaged(f"section {section.name} ends after the object")
    return view[section.offset : section.offset + section.size]


def _read_symbols(
    view: memoryview, sections: list[_Section], table: _Section, places: dict[int, int], base: int
) -> tuple[dict[str, int], list[int | None]]:
    """Addresses by name (global symbols) and by number (all symbols); None if a symbol is not in memory."""
    text = bytes(_content(view, sections[table.link]))
    names: dict[str, int] = {}
    addresses: list[int | None] = []
    for name, binding, _, section, value, _ in _SYMBOL.iter_unpack(_content(view, table)):
        address = base + places[section] + value if section in places else None
        if address is not None and value > sections[section].size:
            raise _damaged(f"symbol {_string(text, name)} lies outside its section")
        addresses.append(address)
        if binding >> 4 and address is not None:
            names[_string(text, name)] = address
    return names, addresses


def _relocate(
    entries: memoryview, memory: mmap.mmap, place: int, size: int, base: int, addresses: list[int | None]
) -> None:
    for offset, info, addend in _RELOCATION.iter_unpack(entries):
        kind, target = info & 0xFFFFFFFF, addresses[info >> 32]
        width = 8 if kind in (_ABSOLUTE_64, _RELATIVE_64) else 4
        if kind not in (_ABSOLUTE_64, _RELATIVE_32, _PLT_32, _RELATIVE_64) or offset + width > size:
            raise _damaged(f"relocation of type {kind} at {offset}")
        if target is None:
            raise _damaged(f"relocation at {offset} refers to an external symbol")
        value = target + addend
        if kind != _ABSOLUTE_64:
            value -= base + place + offset
        at = place + offset
        memory[at : at + width] = (value % (1 << 64)).to_bytes(8, "little") if width == 8 else struct.pack("<i", value)


def _make_executable(address: int, size: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(size), 1 | 4):  # read, execute
        raise EnvironmentProblem(
            "E830",
            "the system does not let this process run generated code",
            why=f"mprotect failed with errno {ctypes.get_errno()}",
            hint="allow executable memory for this process (SELinux: execmem; systemd: MemoryDenyWriteExecute=no)",
        )


def _string(text: bytes, start: int) -> str:
    return text[start : text.index(b"\0", start)].decode()


def _damaged(why: str) -> InternalError:
    return InternalError(
        "E531",
        "the plan's machine code cannot be loaded",
        why=why,
        hint="build the plan again; report it if it stays so",
    )
