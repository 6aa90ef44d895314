"""Attention in one pass, cuda.

    out[b,h,i,:] = sum_j softmax_j(cap(scale * q[b,h,i,:].k[b,h',j,:]) + mask[b,h,i,j]) * v[b,h',j,:]

layout   q, k, v, mask, out at any strides; h' = h // (heads of q / heads of k)
dtypes   f16, bf16 (exponentials are rounded to the values' dtype), f32 (three tf32 products or plain ones), f64;
         sums, maxima and exponentials in f32 (f64); a bool mask keeps where it is true, others are added;
         f8 (e4m3) from sm_89 on: the scales of codes are part of the kernel (`AttentionCodes`)
work     2*B*H*I*J*(D + E) flop and B*H*I*J exponentials; scores never leave the registers
limits   D and E static, up to 256; any other extent symbolic; a row whose keys are all masked gives zeros, as in ONNX
measured H200, f16, in a CUDA graph, us, beside torch 2.11's fused attention: BERT-Base (12 heads, 128 tokens) b1 / b8 /
         b128 3.2 / 5.1 / 35.9 (6.7 / 7.2 / 45.2); BERT-Large (384 tokens) b1 / b8 8.0 / 20.1 (10.5 / 26.2); ViT-Base
         (197) b1 / b128 6.2 / 84.9 (7.6 / 86.3); causal 2048, size 128: 132 (83)
method   a program has block_m rows of one head and goes over blocks of keys (online softmax)
         packs    rows are the queries of all heads that share a key head (grouped queries, few of them)
         splits   several programs share the keys of the same rows; the one that comes last adds up (many keys)
         twice    a softmax that is rounded to codes is one of whole rows: first its maxima and totals, then the sums
         copies   keys and values come by the copy engine (capability 90, 16-byte strides, head sizes of one piece)
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import product

from burnish.dims import divisor
from burnish.dtypes import DType
from burnish.kernels.schedule import Option, Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask
from burnish.target import Target
from burnish.targets.cuda.attention.cost import estimate, registers, shared_bytes
from burnish.targets.cuda.attention.kernel import SMALLEST_OF_CODES, Attention, dense_strides
from burnish.targets.cuda.attention.options import AttentionOptions
from burnish.targets.cuda.attention.write import write_source
from burnish.targets.cuda.chips import FLOAT8_CAPABILITY, chip_of
from burnish.targets.cuda.cuda_template import CudaTemplate
from burnish.targets.cuda.source import Source

_DTYPES = (DType.F16, DType.BF16, DType.F32, DType.F64)
_LARGEST_HEAD = 256
_MOST_REGISTERS = 190  # of a thread; more are spilled, or leave a processor to one program
_KEPT = 24  # schedules that are worth measuring


def schedules(kernel: AttentionTask, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """Legal schedules, the cost model's best first; none for a kernel that this template cannot write."""
    if not _is_possible(kernel, target):
        return []
    possible = (a for options in _all(kernel, target) if _fits(a := Attention(kernel, options, target)))
    times = {a.options: estimate(a, sizes) for a in possible}
    kin: Counter[tuple[Option, ...]] = Counter()
    late: dict[AttentionOptions, float] = {}
    for each in sorted(times, key=times.__getitem__):  # near copies of better ones are ranked lower
        tile = (each.block_m, each.block_n, each.splits, each.packs)
        late[each] = times[each] * (1 + 0.05 * kin[tile])
        kin[tile] += 1
    return [options.schedule for options in sorted(late, key=late.__getitem__)[:_KEPT]]


def _all(kernel: AttentionTask, target: Target) -> Iterator[AttentionOptions]:
    dtype, codes = kernel.slots[0].dtype, kernel.codes
    if codes is not None and not codes.weights:
        dtype = codes.dtype
    exact: tuple[str, ...] = ("none",)
    if codes is not None and codes.weights:
        exact = ("f16", "none")
    elif dtype is DType.F32:
        exact = ("tf32x3", "ieee")
    elif dtype is DType.BF16 and not chip_of(target).has_tensor_cores:
        exact = ("ieee",)
    options = product(
        (4,) if dtype is DType.F64 else (16, 32, 64, 128),
        (16,) if dtype is DType.F64 else (16, 32, 64, 128, 256),
        (1, 4, 8, 16, 32),
        (False, True),
        (False, True),
        exact,
        (4, 8),
        (2, 3),
    )
    for values in options:
        yield AttentionOptions(*values)


def legal(kernel: AttentionTask, schedule: Schedule, target: Target) -> bool:
    """Can this kernel be written with this schedule, and does it fit the chip?"""
    if schedule.template != AttentionOptions.template or not _is_possible(kernel, target):
        return False
    return _fits(Attention(kernel, AttentionOptions.read(schedule), target))


def _fits(a: Attention) -> bool:
    options, target = a.options, a.target
    if options.packs and a.group == 1:
        return False
    if options.precision == "f16" and not a.looks_twice:
        return False
    if a.codes is not None and (a.block_n < SMALLEST_OF_CODES or (a.looks_twice and a.splits > 1)):
        return False
    if a.splits > 1 and isinstance(a.keys, int) and a.keys <= a.block_n * (a.splits - 1):
        return False
    if options.copies and not _can_copy(a):
        return False
    if options.precision == "tf32x3" and not chip_of(target).has_tensor_cores:
        return False
    return shared_bytes(a) < chip_of(target).shared_bytes and registers(a) <= _MOST_REGISTERS


def emit(kernel: AttentionTask, schedule: Schedule, target: Target) -> Source:
    """The kernel's source."""
    return write_source(Attention(kernel, AttentionOptions.read(schedule), target))


def _is_possible(kernel: AttentionTask, target: Target) -> bool:
    q, k, v = kernel.slots[:3]
    head_sizes = (q.shape[3], v.shape[3])
    known = all(isinstance(n, int) and 1 <= n <= _LARGEST_HEAD for n in head_sizes)
    is_float8 = kernel.codes is not None and target.capability >= FLOAT8_CAPABILITY and q.dtype is DType.F8E4M3
    return known and (is_float8 or q.dtype in _DTYPES) and k.dtype is q.dtype and v.dtype is q.dtype


def _can_copy(a: Attention) -> bool:
    """Can keys and values come by the copy engine? It needs 16-byte strides and head sizes of one piece."""
    one_piece = len(a.depth) == len(a.values) == 1
    return chip_of(a.target).has_copy_engine and one_piece and all(_has_whole_strides(s) for s in (a.k, a.v))


def _has_whole_strides(slot: Slot) -> bool:
    each = 16 // min(16, slot.dtype.size_bytes)
    strides = dense_strides(slot)[:3]
    is_positive = all(s > 0 for s in strides if isinstance(s, int))
    return slot.aligned == 16 and slot.strides[3] == 1 and is_positive and all(divisor(s) % each == 0 for s in strides)


ATTENTION = CudaTemplate(kernel=AttentionTask, schedules=schedules, legal=legal, emit=emit, options=(AttentionOptions,))
