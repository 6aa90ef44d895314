"""The facts that cost models use for each architecture: round numbers of one typical chip.

sm_75 T4, sm_80 A100, sm_89 L40, sm_90a H200 (measured: 4.25 TB/s, 781 TFLOP/s), sm_100 B200, sm_120 RTX 5090.
Code for sm_80 runs on 8.6 and 8.9 too (A10, RTX 30, L40), so it uses no more shared memory than they have (A100:
164 KB). PCIe x16 of generation 3, 4, 5 moves 15.75, 31.5, 63 GB/s each way (PCI-SIG); without packet headers, four
fifths of that remain.
"""

from __future__ import annotations

from dataclasses import dataclass

from burnish.target import Target
from burnish.targets.hardware import Hardware, Link, Peaks, Rotation


@dataclass(frozen=True, slots=True)
class Chip:
    """processors: SMs; half_flops: dense f16 or bf16 flop per us and processor at the clock it holds under load.

    bandwidth       bytes per us, all processors together;  l2_bandwidth  bytes per us and processor
    shared_bytes    of a processor; a block may have all but 1 KB of it
    threads, programs, registers    that a processor holds at most; a register has 4 bytes
    first_us        a program's first instructions and its end, tables of pages
    latency_us      from a request to memory to its answer, in a program that waits for it
    dispatch_us     a program to a processor: 825 programs a us for the chip, whatever they do (H200, measured to 1 %)
    launch_us       from one kernel of a graph to the next;  overlapped_us  the same with programmatic dependent launch
    link            bytes per us between host and chip: four fifths of what PCIe x16 of its generation (3, 4 or 5) moves
    has_tensor_cores    that Triton uses: products of f16, bf16, tf32 and int8; without them operands are widened to f32
    has_copy_engine     loads and stores of whole boxes through tensor maps, zeros outside a tensor
    overlaps_launches   a launch may begin before the one before it has ended, and waits for it by itself
    has_pairs           the larger of two 16-bit integers and of two others in one instruction
    has_warpgroups      four warps multiply together, 64 rows or more at once
    has_tensor_memory   sums lie in a memory of their own
    cuts_float8_sums    keeps about 14 bits of a sum of float8 while it adds; of others that is not measured
    """

    processors: int
    half_flops: float
    bandwidth: float
    l2_bandwidth: float
    l2_bytes: int
    shared_bytes: int
    link: float
    launch_us: float = 1.2
    overlapped_us: float = 1.2
    threads: int = 2048
    programs: int = 32
    registers: int = 65536
    first_us: float = 1.0
    latency_us: float = 0.25
    dispatch_us: float = 0.16
    has_tensor_cores: bool = True
    has_copy_engine: bool = True
    overlaps_launches: bool = True
    has_pairs: bool = True
    has_warpgroups: bool = False
    has_tensor_memory: bool = False
    cuts_float8_sums: bool = False

    def resident(self, threads: int, registers: float, shared_bytes: int = 1) -> int:
        """Programs that a processor holds at a time; 0 if none fits.

        threads, shared_bytes: of a program;  registers: of a thread
        """
        by_registers = int(self.registers // (threads * registers))
        return min(self.threads // threads, self.programs, by_registers, self.shared_bytes // shared_bytes)


FLOAT8_CAPABILITY = 89  # the first with tensor cores for float8
COPY_US = 10.0  # to start one copy between host and chip and to wait for it: two in a call of 28 us, benchmarks/gpu.md
_BEFORE_HOPPER = {"has_copy_engine": False, "overlaps_launches": False, "has_pairs": False}
_CHIPS = {
    75: Chip(40, 1.0e6, 0.28e6, 30e3, 4 << 20, 64 << 10, 12.6e3, 2.0, 2.0, has_tensor_cores=False, **_BEFORE_HOPPER),
    80: Chip(108, 2.4e6, 1.4e6, 60e3, 40 << 20, 100 << 10, 25e3, 1.5, 1.5, **_BEFORE_HOPPER),
    89: Chip(142, 1.2e6, 0.8e6, 60e3, 96 << 20, 100 << 10, 25e3, 1.5, 1.5, **_BEFORE_HOPPER),
    90: Chip(
        132, 5.9e6, 4.25e6, 100e3, 50 << 20, 227 << 10, 50e3, 1.2, 0.6, has_warpgroups=True, cuts_float8_sums=True
    ),
    100: Chip(
        148, 11e6, 7.0e6, 100e3, 126 << 20, 227 << 10, 50e3, 1.2, 0.6, has_warpgroups=True, has_tensor_memory=True
    ),
    120: Chip(170, 1.2e6, 1.6e6, 60e3, 96 << 20, 100 << 10, 50e3, 1.2, 0.8),
}


_ROTATION = Rotation(64 << 20, fewest=2, most=64, are_uploaded=True)


def hardware(target: Target) -> Hardware:
    """The facts that are wanted outside the templates."""
    chip = chip_of(target)
    peaks = Peaks(chip.half_flops * chip.processors, chip.bandwidth)
    return Hardware(_ROTATION, Link(chip.link, COPY_US), peaks)


def chip_of(target: Target) -> Chip:
    """The chip that stands for a target."""
    return _CHIPS[target.capability]
