"""The options of an attention's schedule on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.kernels.schedule import Options


@dataclass(frozen=True)
class AttentionOptions(Options):
    """A program has a block of rows of one head and goes over blocks of keys.

    block_m    rows of a program
    block_n    keys of a block
    splits     programs that share the keys of the same rows; the one that comes last adds up
    packs      rows are the queries of all heads that share a head of keys
    copies     keys and values come by the copy engine
    precision  of f32 products: tf32x3: three products of shorter floats; ieee: plain ones; none: not f32
               f16: codes of a softmax and of values become f16, which holds them exactly, and are multiplied so:
               tensor cores want bytes of values with the keys innermost, where they seldom lie
    warps      of a program, 32 threads each
    stages     blocks of keys that are under way at once
    """

    template: ClassVar[str] = "attention"
    block_m: int
    block_n: int
    splits: int
    packs: bool
    copies: bool
    precision: str
    warps: int
    stages: int
