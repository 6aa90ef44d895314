"""The constants of docs/native-abi.md: what generated code and the devices that run it must agree on."""

from __future__ import annotations

TEAM_BYTES = 4096  # of a team of CPU threads, zeroed by the caller
HEADER_BYTES = 64  # before each thread's scratch memory; holds the team's address
ALONE = 1 << 32  # added to a segment's number: thread 0 does it alone
WORTH_WAKING_FLOP = 2_500_000  # 50 us of a core: less shared work than this is faster without the other threads

STORAGE_ALIGN_BYTES = 64  # alignment of storages in CPU memory and in arenas, and of blobs in a plan
GPU_ALIGN_BYTES = 256  # alignment of a driver's allocations, and of the parts of a shared allocation
ADDRESS_ALIGN_BYTES = 16  # alignment that kernels and the copy engine may assume of any address, also a caller's
