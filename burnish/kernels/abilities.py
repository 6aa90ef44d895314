"""The abilities of a target that lowering must know.

Each target's compiler has one `Abilities` (`targets.Compiler`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Abilities:
    """A graph is lowered by these facts, never by the target's name.

    computes_half    arithmetic on f16 and bf16 tensors; without it they are computed (and kept) in f32
    bf16_products    f32 sums of bf16 products are faster than f32: bf16 tensors then pay even without computes_half
    bf16_codes       bf16 data times codes of few bits are faster than f32 data times them
    packs_half       a packed constant may be stored in the narrowest float that holds its values
    pads_in_kernel   a convolution kernel supplies the zeros around its input; without it the zeros are in memory
    deep_images      a convolution over few channels is slow: it is better to turn its strides into channels
    integer_products products of 8-bit integers with i32 sums are faster than f32: quantised tensors stay integers
    blocked_weights  a packed constant may be kept in codes of 2 to 8 bits with a scale for each block
    sparse_weights   a packed constant may be kept without its zeros, for products of few rows
    byte_tiles       bytes of either sign are multiplied many times faster than 16-bit integers
    float8           products of float8 (e4m3) with f32 sums are faster than f16
    stores_float8    tensors of float8 have kernels; without products of them, their numbers are multiplied
    quotients        a division whose result is rounded to a code may be products instead (kernels/codes.py)
    winograd         transformed convolutions pay
    chains           it has a template for kernels that follow one another strip by strip
    adds_products    a contraction adds several products to one sum (only kernels that supply zeros themselves)
    spread_rows      rows are kept apart in memory, so that they do not fall into few sets of a cache
    recurrent        it has a template for LSTM, GRU and RNN
    trees            it has a template for tree ensembles
    host_memory      reference kernels see its memory; without it each needs copies, and the user must allow it
    """

    computes_half: bool = False
    bf16_products: bool = False
    bf16_codes: bool = False
    packs_half: bool = False
    pads_in_kernel: bool = False
    deep_images: bool = False
    integer_products: bool = False
    blocked_weights: bool = False
    sparse_weights: bool = False
    byte_tiles: bool = False
    float8: bool = False
    stores_float8: bool = False
    quotients: bool = False
    winograd: bool = True
    chains: bool = False
    adds_products: bool = False
    spread_rows: bool = True
    recurrent: bool = True
    trees: bool = True
    host_memory: bool = True
