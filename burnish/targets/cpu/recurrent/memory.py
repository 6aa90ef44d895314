"""A recurrent layer's operands at any strides: rows of hidden units, single inputs, lengths."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from burnish.dtypes import DType
from burnish.kernels.task import RecurrentTask
from burnish.targets.cpu.builder import I1, I32, I64, POINTER, KernelBuilder, type_suffix, vector_type
from burnish.targets.cpu.expressions import arithmetic, memory, storage
from burnish.targets.cpu.expressions.reductions import tail_mask
from burnish.targets.cpu.recurrent.layout import Layout, slot_numbers


class Operands:
    """Reads and writes the slots of one kernel by their names in ONNX."""

    def __init__(self, b: KernelBuilder, kernel: RecurrentTask, shape: Layout) -> None:
        self.b, self.kernel, self.shape = b, kernel, shape
        self.numbers = slot_numbers(kernel)

    def has(self, name: str) -> bool:
        return name in self.numbers

    def input_at(self, time: ir.Value, batch: ir.Value) -> tuple[ir.Value, ir.Value]:
        """The first element of x[time, batch], and the step to the next one."""
        place = self._place("x", [time, batch])
        return place, self.b.dim(self.kernel.slots[0].strides[2])

    def input_element(self, place: ir.Value, offset: ir.Value) -> ir.Value:
        """An element of x as the accumulators' dtype."""
        dtype = self.kernel.slots[0].dtype
        kind = storage.storage_type(dtype)
        raw = self.b.load(self.b.address(place, offset, kind), kind, dtype.size_bytes)
        return self._widened(dtype, raw)

    def length(self, batch: ir.Value) -> ir.Value:
        """The number of steps of a sequence."""
        place = self._place("lengths", [batch])
        return self.b.ir.sext(self.b.load(place, I32, 4), I64)

    def row(self, name: str, index: Sequence[ir.Value], block: ir.Value, shift: int = 0) -> ir.Value:
        """`width` hidden units of a block, from `shift` elements into the last axis; zeros beyond the last unit."""
        number = self.numbers[name]
        dtype, stride = self.kernel.slots[number].dtype, self.kernel.slots[number].strides[-1]
        place, element = self._units(name, index, block, shift), storage.storage_type(dtype)
        kind = vector_type(element, self.shape.width)
        mask = self._mask(block)
        if stride != 1:
            mask = self._full_mask() if mask is None else mask
            arguments = [self._lanes(place, element, stride), ir.Constant(I32, dtype.size_bytes), mask]
            name = f"llvm.masked.gather.{type_suffix(kind)}.v{self.shape.width}p0"
            raw = self.b.call(name, kind, [*arguments, ir.Constant(kind, None)])
        elif mask is None:
            raw = self.b.load(place, kind, dtype.size_bytes)
        else:
            raw = memory.masked_load(self.b, place, kind, mask, dtype.size_bytes)
        return self._widened(dtype, raw)

    def write_row(self, name: str, index: Sequence[ir.Value], block: ir.Value, value: ir.Value) -> None:
        """Write a block's hidden units; those beyond the last one are not touched."""
        number = self.numbers[name]
        dtype, stride = self.kernel.slots[number].dtype, self.kernel.slots[number].strides[-1]
        place, element = self._units(name, index, block, 0), storage.storage_type(dtype)
        raw = storage.to_storage(self.b, dtype, arithmetic.cast(self.b, self.shape.accumulator, dtype, value))
        mask = self._mask(block)
        if stride != 1:
            mask = self._full_mask() if mask is None else mask
            arguments = [raw, self._lanes(place, element, stride), ir.Constant(I32, dtype.size_bytes), mask]
            name = f"llvm.masked.scatter.{type_suffix(raw.type)}.v{self.shape.width}p0"
            self.b.call(name, ir.VoidType(), arguments)
        elif mask is None:
            self.b.ir.store(raw, place, align=dtype.size_bytes)
        else:
            memory.masked_store(self.b, raw, place, mask, dtype.size_bytes)

    def _place(self, name: str, index: Sequence[ir.Value]) -> ir.Value:
        number = self.numbers[name]
        slot = self.kernel.slots[number]
        offset: ir.Value = self.b.i64(0)
        for i, stride in zip(index, slot.strides):
            offset = self.b.ir.add(offset, self.b.ir.mul(i, self.b.dim(stride)))
        return self.b.address(self.b.slots[number], offset, storage.storage_type(slot.dtype))

    def _units(self, name: str, index: Sequence[ir.Value], block: ir.Value, shift: int) -> ir.Value:
        unit = self.b.ir.add(self.b.ir.mul(block, self.b.i64(self.shape.width)), self.b.i64(shift))
        return self._place(name, [*index, unit])

    def _mask(self, block: ir.Value) -> ir.Value | None:
        if self.shape.padded == self.shape.hidden:
            return None
        first = self.b.ir.mul(block, self.b.i64(self.shape.width))
        return tail_mask(self.b, first, self.b.i64(self.shape.hidden), self.shape.width)

    def _full_mask(self) -> ir.Value:
        return ir.Constant(ir.VectorType(I1, self.shape.width), [1] * self.shape.width)

    def _lanes(self, place: ir.Value, element: ir.Type, stride: object) -> ir.Value:
        b, width = self.b, self.shape.width
        steps = b.ir.mul(b.iota(width), b.splat(b.dim(stride), width))  # type: ignore[arg-type]
        places = b.ir.gep(place, [steps], source_etype=element)
        places.type = ir.VectorType(POINTER, width)  # llvmlite types a gep by its base only
        return places

    def _widened(self, dtype: DType, raw: ir.Value) -> ir.Value:
        value = storage.to_register(self.b, dtype, raw)
        return arithmetic.cast(self.b, dtype, self.shape.accumulator, value)
