"""What a target can do, as far as lowering must know it. Each target's compiler gives one (`targets.Compiler`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Abilities:
    """Facts, never a target's name, decide how a graph is lowered.

    computes_half    arithmetic on f16 and bf16 tensors; without it they are computed (and kept) in f32
    bf16_products    sums of bf16 products, in f32, at more than f32's rate: then bf16 tensors pay without computes_half
    packs_half       a packed constant may lie in the narrowest float that holds its values
    pads_in_kernel   a convolution reads zeros around its input by itself; without it zeros lie in memory
    deep_images      a convolution over few channels is slow: its strides had better become channels
    winograd         transformed convolutions pay
    adds_products    a contraction adds several products to one sum (those that read zeros by themselves)
    spread_rows      rows are kept apart in memory, so that they do not fall into few sets of a cache
    recurrent        it has a template for LSTM, GRU and RNN
    trees            it has a template for tree ensembles
    host_memory      the reference kernels see its memory; without it each costs copies, and must be asked for
    """

    computes_half: bool = False
    bf16_products: bool = False
    packs_half: bool = False
    pads_in_kernel: bool = False
    deep_images: bool = False
    winograd: bool = True
    adds_products: bool = False
    spread_rows: bool = True
    recurrent: bool = True
    trees: bool = True
    host_memory: bool = True
