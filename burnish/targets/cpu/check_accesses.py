"""Checked code: every load and store of a kernel is compared with the bytes of its slot, and kept inside them.

A target with `+checked` is made for tests. The templates write the same code as without it. Afterwards a comparison is
put in front of each instruction that touches memory, so no template can forget one, and the code of other targets does
not change. An address outside its slot is replaced by an address in the thread's own spare bytes. The first such
address is noted; the runtime reads the note after each segment and raises E519.

Each thread's memory begins with 2 KiB more, before the header of team.py:

    word 0   the note (plan/fault.py)
    word 1   1 + the launch under way            512 bytes from word 8 on: where forbidden addresses go instead
    words 72 + 2 n, 73 + 2 n                     begin and end of slot n, written by the segment before the launch

The bytes of a slot are those of its tensor if the launch knows the tensor (`Launch.tensors`), else the whole storage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import ir

from burnish.dims import Dim, maximum, minimum, product
from burnish.kernels.slot import Slot
from burnish.kernels.task import Binding, Launch
from burnish.plan.fault import PER_LAUNCH, PER_SLOT
from burnish.plan.native_abi import HEADER_BYTES
from burnish.targets.cpu.builder import I1, I8, I32, I64, POINTER, KernelBuilder, type_suffix

LEAD_BYTES = 2048
_LAUNCH_WORD, _SPARE_WORD, _BOUNDS_WORD = 1, 8, 72
MOST_SLOTS = (LEAD_BYTES // 8 - _BOUNDS_WORD) // 2
SCRATCH, DIMS, CONSTANTS = MOST_SLOTS, MOST_SLOTS + 1, MOST_SLOTS + 2  # as if they were slots

Region = tuple[ir.Value, ir.Value, ir.Value]  # begin, end, slot


def tensor_bytes(tensor: Slot, offset: Dim) -> tuple[Dim, Dim]:
    """[low, high) of a tensor whose element 0 lies at `offset` elements of its storage; empty if it has no element."""
    low: Dim = offset
    high: Dim = offset
    for extent, stride in zip(tensor.shape, tensor.strides):
        reach = maximum(extent - 1, 0) * stride
        if isinstance(stride, int):
            low, high = low + reach * (stride < 0), high + reach * (stride > 0)
        else:
            low, high = low + minimum(reach, 0), high + maximum(reach, 0)
    count = (high - low + 1) * product(minimum(extent, 1) for extent in tensor.shape)
    size = tensor.dtype.size_bytes
    return low * size, (low + count) * size


def slot_bytes(launch: Launch, bindings: Sequence[Binding], storage_bytes: Mapping[int, Dim]) -> list[tuple[Dim, Dim]]:
    """[low, high) of each slot, in bytes of the storage it is bound to. bindings: with packed constants"""
    found: list[tuple[Dim, Dim]] = []
    for n, binding in enumerate(bindings):
        tensor, size = launch.tensors[n] if launch.tensors else None, storage_bytes[binding.storage]
        if tensor is None or binding != launch.bindings[n]:
            found.append((0, size))
            continue
        low, high = tensor_bytes(tensor, binding.offset)
        found.append((maximum(low, 0), minimum(high, size)))
    return found


def announce(k: KernelBuilder, number: int, regions: Sequence[Sequence[ir.Value]]) -> None:
    """In a segment, before a launch: its number and the slots' bytes as addresses [begin, end)."""
    assert len(regions) <= MOST_SLOTS, f"a launch of {len(regions)} slots"
    words = [(_LAUNCH_WORD, k.i64(1 + number))]
    for n, pair in enumerate(regions):
        words += [(_BOUNDS_WORD + 2 * n + side, k.ir.ptrtoint(end, I64)) for side, end in enumerate(pair)]
    for word, value in words:
        k.ir.store(value, _word(k.ir, k.scratch, word), align=8)


def check_accesses(function: ir.Function, slots: int, dims: int, scratch_bytes: int) -> None:
    """Put the comparisons into a finished kernel."""
    _Checker(function, slots, dims, scratch_bytes).run()


class _Checker:
    def __init__(self, function: ir.Function, slots: int, dims: int, scratch_bytes: int) -> None:
        self.function = function
        self.written = [instruction for block in function.blocks for instruction in block.instructions]
        table, self.scratch = function.args[slots : slots + 2]
        self.start = ir.IRBuilder(function.entry_basic_block)
        self.start.position_at_start(function.entry_basic_block)
        self.regions: dict[ir.Value, Region | None] = {}
        for n in range(slots):
            begin, end = (
                self.start.load(_word(self.start, self.scratch, _BOUNDS_WORD + 2 * n + side), align=8, typ=I64)
                for side in (0, 1)
            )
            self.regions[function.args[n]] = begin, end, I64(n)
        self.regions[table] = self._fixed(table, 0, 8 * dims, DIMS)
        self.regions[self.scratch] = self._fixed(self.scratch, -HEADER_BYTES, scratch_bytes, SCRATCH)

    def run(self) -> None:
        for instruction in self.written:
            self._instruction(instruction)

    def _fixed(self, base: ir.Value, low: int, high: int, slot: int) -> Region:
        address = self.start.ptrtoint(base, I64)
        return self.start.add(address, I64(low)), self.start.add(address, I64(high)), I64(slot)

    # -- where a pointer points -------------------------------------------------------------------------------------

    def region(self, pointer: ir.Value) -> Region | None:
        """The bytes that a pointer may touch; None for memory that belongs to no kernel (the team's words)."""
        if pointer not in self.regions:
            self.regions[pointer] = self._find(pointer)
        return self.regions[pointer]

    def _find(self, pointer: ir.Value) -> Region | None:
        if isinstance(pointer, ir.GEPInstr):
            return self.region(pointer.pointer)
        if isinstance(pointer, ir.GlobalVariable):
            return self._fixed(pointer, 0, _bytes_of(pointer.value_type), CONSTANTS)
        if isinstance(pointer, ir.SelectInstr):
            condition, one, other = pointer.operands
            left, right = self.region(one), self.region(other)
            if left is None or right is None:
                return None
            builder = _after(pointer)
            begin, end, slot = (builder.select(condition, a, b) for a, b in zip(left, right))
            return begin, end, slot
        if isinstance(pointer, ir.PhiInstr):
            return self._phi(pointer)
        return None

    def _phi(self, pointer: ir.PhiInstr) -> Region | None:
        builder = ir.IRBuilder(pointer.parent)
        builder.position_before(pointer)
        begin, end, slot = (builder.phi(I64) for _ in range(3))
        self.regions[pointer] = begin, end, slot  # a loop's pointer comes back to itself
        for value, block in pointer.incomings:
            found = self.region(value)
            assert found is not None, "a pointer that is sometimes no slot's"
            for phi, part in zip((begin, end, slot), found):
                phi.add_incoming(part, block)
        return begin, end, slot

    # -- instructions -----------------------------------------------------------------------------------------------

    def _instruction(self, instruction: ir.Instruction) -> None:
        if isinstance(instruction, ir.LoadInstr):
            self._plain(instruction, 0, instruction.type, False)
        elif isinstance(instruction, ir.StoreInstr):
            self._plain(instruction, 1, instruction.operands[0].type, True)
        elif isinstance(instruction, ir.CallInstr) and isinstance(
            instruction.callee, ir.Function
        ):  # no inline assembly
            name = str(instruction.callee.name)
            if name.startswith(("llvm.masked.load.", "llvm.masked.gather.")):
                self._masked(instruction, 0, instruction.type, 2, False)
            elif name.startswith(("llvm.masked.store.", "llvm.masked.scatter.")):
                self._masked(instruction, 1, instruction.args[0].type, 3, True)
            elif name.startswith(("llvm.mem", "llvm.masked.")):
                raise AssertionError(f"{name} is not checked")

    def _plain(self, instruction: ir.Instruction, operand: int, kind: ir.Type, is_store: bool) -> None:
        pointer = instruction.operands[operand]
        region = self.region(pointer)
        if region is None:
            return
        builder = _before(instruction)
        begin, end, slot = region
        address = builder.ptrtoint(pointer, I64)
        last = builder.add(address, I64(_bytes_of(kind)))
        outside = builder.or_(builder.icmp_unsigned("<", address, begin), builder.icmp_unsigned(">", last, end))
        self._note(builder, outside, slot, is_store)
        spare = _word(builder, self.scratch, _SPARE_WORD)
        instruction.operands[operand] = builder.select(outside, spare, pointer)

    def _masked(self, call: ir.CallInstr, place: int, kind: ir.VectorType, mask_at: int, is_store: bool) -> None:
        """Lanes that leave the slot are masked out."""
        arguments = list(call.args)
        pointer, mask = arguments[place], arguments[mask_at]
        region = self.region(pointer)
        if region is None:
            return
        builder, lanes = _before(call), int(kind.count)
        begin, end, slot = region
        wide, size = ir.VectorType(I64, lanes), _bytes_of(kind.element)
        if isinstance(pointer.type, ir.VectorType):
            addresses = builder.ptrtoint(pointer, wide)
        else:
            steps = ir.Constant(wide, [n * size for n in range(lanes)])
            addresses = builder.add(_splat(builder, builder.ptrtoint(pointer, I64), lanes), steps)
        below = builder.icmp_unsigned("<", addresses, _splat(builder, begin, lanes))
        last = builder.add(addresses, ir.Constant(wide, [size] * lanes))
        above = builder.icmp_unsigned(">", last, _splat(builder, end, lanes))
        outside = builder.and_(mask, builder.or_(below, above))
        name = f"llvm.vector.reduce.or.{type_suffix(outside.type)}"
        module = self.function.module
        reduce = module.globals.get(name) or ir.Function(module, ir.FunctionType(I1, [outside.type]), name)
        self._note(builder, builder.call(reduce, [outside]), slot, is_store)
        call.operands[mask_at - len(arguments)] = builder.and_(mask, builder.not_(outside))

    def _note(self, builder: ir.IRBuilder, outside: ir.Value, slot: ir.Value, is_store: bool) -> None:
        """Note this fault, unless one is noted already."""
        place = _word(builder, self.scratch, 0)
        old = builder.load(place, align=8, typ=I64)
        launch = builder.load(_word(builder, self.scratch, _LAUNCH_WORD), align=8, typ=I64)
        fault = builder.add(builder.mul(launch, I64(PER_LAUNCH)), builder.mul(slot, I64(PER_SLOT)))
        fault = builder.or_(fault, I64(int(is_store)))
        is_first = builder.and_(outside, builder.icmp_unsigned("==", old, I64(0)))
        builder.store(builder.select(is_first, fault, old), place, align=8)


def _word(builder: ir.IRBuilder, scratch: ir.Value, word: int) -> ir.Value:
    """A word of the lead, seen from a thread's scratch memory."""
    return builder.gep(scratch, [I64(8 * word - LEAD_BYTES - HEADER_BYTES)], source_etype=I8)


def _before(instruction: ir.Instruction) -> ir.IRBuilder:
    builder = ir.IRBuilder(instruction.parent)
    builder.position_before(instruction)
    return builder


def _after(instruction: ir.Instruction) -> ir.IRBuilder:
    builder = ir.IRBuilder(instruction.parent)
    builder.position_after(instruction)
    return builder


def _splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    undefined = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
    first = builder.insert_element(undefined, value, I32(0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(I32, lanes), [0] * lanes))


def _bytes_of(kind: ir.Type) -> int:
    """The size in memory of a value of the type, in bytes."""
    if isinstance(kind, ir.VectorType | ir.ArrayType):
        return int(kind.count) * _bytes_of(kind.element)
    if isinstance(kind, ir.IntType):
        return -(-int(kind.width) // 8)
    sizes: dict[type[ir.Type], int] = {ir.HalfType: 2, ir.FloatType: 4, ir.DoubleType: 8, type(POINTER): 8}
    return sizes[type(kind)]
