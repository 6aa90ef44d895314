"""B in i8 for vpmaddubsw: words of up to four k, cut so that no pair of products leaves 16 bits in any column.

    the pair (k, k + 1) fits  <=>  in each column of the panel the weights above zero sum up to at most 128, and those
                                   below zero to at least -128

Data are bytes from 0 to 255, 255 * 128 = 32,640, and 16 bits hold -32,768 to 32,767. So words of pairs that fit are
exact for all data. A word reads four bytes of A, two pairs. It counts the next k of a run as long as pairs fit, four
or three of them as a rule; where not even the first pair does, it begins one byte earlier, so that the first k is
alone in its pair. A weight alone always fits. There is no cut into fewer words: counting more k never hinders the next.

Words whose weights of one sign, in each column and half, sum up to at most 128 together share 16 bits by twos, and lie
at the front. Which words meet is free: they are sorted by their largest such sum, and heavy ones meet light ones.

cost: of weights of a normal distribution, 8 columns and more than 500 k, 7 % more words than quads, of which 55 to 90 %
      share; of trained weights, whose largest one is many times as large as the usual one, nearly all do
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.dims import known
from burnish.dtypes import DType
from burnish.kernels.contraction_runs import Shape, analyse
from burnish.kernels.task import Contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.register_tile.byte_words import HEADER_BYTES, SHARE, WORD, words_at_once

Array = np.ndarray[Any, Any]
_MOST = 128  # the most that the weights of one sign in a pair may sum up to
_ROUNDS = 16  # in which words look for one that they may share with


@dataclass(frozen=True, slots=True)
class _Panel:
    """words [word, width, 4], offsets in A; the first `shared` words share 16 bits by twos."""

    words: Array
    offsets: Array
    shared: int


def can_multiply_bytes(kernel: Contraction, shape: Shape) -> bool:
    """Is B a constant in i8, and A in bytes that lie side by side, at distances that are known?"""
    a, b = (s.dtype for s in kernel.slots[:2])
    if not kernel.packed or a not in (DType.U8, DType.I8) or b is not DType.I8 or not shape.reduce:
        return False
    inner = shape.reduce[-1]
    is_known = all(isinstance(r.extent, int) and isinstance(r.a_stride, int) for r in shape.reduce)
    return is_known and inner.a_stride == 1 and isinstance(inner.extent, int) and inner.extent >= WORD


def pack_bytes(kernel: Contraction, options: ContractionOptions, groups: Array) -> Array:
    """[group, K, n] as register_tile/byte_words.py has it, in bytes."""
    shape, width = analyse(kernel), options.width
    inner = known(shape.reduce[-1].extent)
    count, depth, columns = groups.shape
    panels, runs = -(-columns // width), depth // inner
    padded = np.zeros((count, runs, inner, panels * width), np.int8)
    padded[..., :columns] = groups.reshape(count, runs, inner, columns)
    split = padded.reshape(count, runs, inner, panels, width).transpose(0, 3, 1, 2, 4)
    weights = split.reshape(count * panels, runs, inner, width)
    firsts, counted = _cut(weights)
    cut = [_panel(w, f, c, _run_offsets(shape)) for w, f, c in zip(weights, firsts, counted)]
    parts = [
        _Panel(words[o], offsets[o], n) for (words, offsets), (o, n) in zip(cut, _met([words for words, _ in cut]))
    ]
    starts = -128 * weights.sum((1, 2), np.int32) if kernel.slots[0].dtype is DType.I8 else np.empty((len(parts), 0))
    return _laid_out(parts, starts.astype(np.int32), words_at_once(options.unroll))


def _run_offsets(shape: Shape) -> Array:
    """Where each innermost run of K begins in A."""
    runs = [[known(r.a_stride) * i for i in range(known(r.extent))] for r in shape.reduce[:-1]]
    return np.array([sum(steps) for steps in itertools.product(*runs)], np.int64)


def _cut(weights: Array) -> tuple[Array, Array]:
    """[panel, run, word] where in the run each word begins and the first k that it counts; -1 after the last.

    returns: first byte of A, and [.., 2] the k that are counted: from, to
    """
    panels, runs, inner, _ = weights.shape
    advance, back = _steps(_fits(weights))
    lists, at = panels * runs, np.zeros(panels * runs, np.int64)
    advance, back, each = advance.reshape(lists, inner), back.reshape(lists, inner), np.arange(lists)
    firsts, counted = [], []
    while (at < inner).any():
        is_left, here = at < inner, np.minimum(at, inner - 1)
        then = np.where(is_left, at + advance[each, here], at)
        firsts.append(np.where(is_left, here - back[each, here], -1))
        counted.append(np.stack([at, then], -1))
        at = then
    return (
        np.stack(firsts, -1).reshape(panels, runs, len(firsts)),
        np.stack(counted, -2).reshape(panels, runs, len(firsts), 2),
    )


def _fits(weights: Array) -> Array:
    """[panel, run, k] does the pair (k, k + 1) fit? False at the end of a run."""
    wide = weights.astype(np.int16)
    fits = np.zeros(weights.shape[:3], np.bool_)
    above, below = np.maximum(wide, 0), np.maximum(-wide, 0)
    most = np.maximum(above[:, :, :-1] + above[:, :, 1:], below[:, :, :-1] + below[:, :, 1:]).max(-1, initial=0)
    fits[:, :, :-1] = most <= _MOST
    return fits


def _steps(fits: Array) -> tuple[Array, Array]:
    """For a word whose first k is k: the most that it can count, and how many bytes of A before k it begins."""
    inner = fits.shape[-1]
    later = np.zeros((3, *fits.shape), np.int64)
    for step in range(3):
        later[step][..., : inner - step] = fits[..., step:]
    # begun at k: a pair, then one or two more; begun a byte before: k alone, then one or two; and so on
    pair, alone = later[0], np.ones(fits.shape, np.int64)
    choices = np.stack([np.where(pair, 3 + later[2], 1), 2 + later[1], 1 + pair, alone])
    first = np.arange(inner) - np.arange(WORD).reshape(WORD, 1)
    is_inside = ((first >= 0) & (first <= inner - WORD)).reshape(WORD, *[1] * (fits.ndim - 1), inner)
    choices = np.where(is_inside, choices, 0)
    back = choices.argmax(0)
    return choices.max(0), back


def _panel(weights: Array, firsts: Array, counted: Array, run_offsets: Array) -> tuple[Array, Array]:
    """The words of one panel, [word, width, 4], and their offsets in A."""
    run, word = np.nonzero(firsts >= 0)
    first, (start, end) = firsts[run, word], counted[run, word].T
    k = first.reshape(-1, 1) + np.arange(WORD)
    counts = (k >= start.reshape(-1, 1)) & (k < end.reshape(-1, 1))
    values = np.where(counts[..., None], weights[run.reshape(-1, 1), k], 0)
    return values.transpose(0, 2, 1), (run_offsets[run] + first).astype(np.int32)


def _met(panels: list[Array]) -> list[tuple[Array, int]]:
    """For each panel the order of its words, and how many of the first share 16 bits by twos.

    In each round the free words are sorted; the first half meets the second one, turned by another step each time.
    """
    loads = _loads(panels)
    count, most, _ = loads.shape
    heavy_first = np.lexsort((loads.sum(-1, np.int64), loads.max(-1, initial=0)), axis=-1)[:, ::-1]
    rank = np.empty_like(heavy_first)
    np.put_along_axis(rank, heavy_first, np.arange(most)[None], 1)
    free = np.arange(most) < np.array([len(words) for words in panels]).reshape(-1, 1)
    rows, first = loads.reshape(count * most, -1), most * np.arange(count).reshape(-1, 1)
    mates: list[list[Array]] = [[] for _ in panels]
    for turn in range(_ROUNDS):
        order, left = np.argsort(np.where(free, rank, most), 1), free.sum(1, keepdims=True)
        half = left // SHARE
        place = np.arange(int(half.max(initial=0)))[None]
        light = np.where(place < half, left - 1 - (place + 7 * turn) % np.maximum(half, 1), 0)
        pairs = np.stack([order[:, : place.size], np.take_along_axis(order, light, 1)], -1)
        heavy, other = (rows[first + pairs[..., side]] for side in range(SHARE))
        fits = (place < half) & (heavy <= _MOST - other).all(-1)
        for panel in range(count):
            found = pairs[panel, fits[panel]]
            mates[panel].append(found)
            free[panel, found] = False
    return [_order(np.concatenate(found).reshape(-1), len(words)) for found, words in zip(mates, panels)]


def _loads(panels: list[Array]) -> Array:
    """[panel, word, load] the sums of a word's weights of one sign, for each sign, column and pair; 0 past the last."""
    most, width = max(map(len, panels), default=0), panels[0].shape[1] if panels else 0
    loads = np.zeros((len(panels), most, 4 * width), np.uint8)  # at most _MOST
    for found, words in zip(loads, panels):
        pairs = words.reshape(len(words), -1, 2).astype(np.int16)
        signs = np.maximum(pairs, 0).sum(-1), np.maximum(-pairs, 0).sum(-1)
        found[: len(words)] = np.concatenate(signs, -1)
    return loads


def _order(shared: Array, count: int) -> tuple[Array, int]:
    """Words that share come first, the others in the order of their k."""
    alone = np.ones(count, np.bool_)
    alone[shared] = False
    return np.concatenate([shared, np.nonzero(alone)[0]]), len(shared)


def _laid_out(parts: list[_Panel], starts: Array, at_once: int) -> Array:
    counts = [p.shared + -(-(len(p.offsets) - p.shared) // at_once) * at_once for p in parts]
    most = max(counts, default=0)
    width = parts[0].words.shape[1] if parts else 0
    words_at = HEADER_BYTES + -(-(starts[:1].nbytes + 4 * most) // HEADER_BYTES) * HEADER_BYTES
    panel_bytes = words_at + -(-most * width * WORD // HEADER_BYTES) * HEADER_BYTES
    packed = np.zeros(HEADER_BYTES + len(parts) * panel_bytes, np.uint8)
    packed[:16] = np.array([panel_bytes, words_at], np.int64).view(np.uint8)
    for n, (part, count, start) in enumerate(zip(parts, counts, starts)):
        panel = packed[HEADER_BYTES + n * panel_bytes :][:panel_bytes]
        head = np.zeros(HEADER_BYTES // 4, np.int32)
        head[:2] = count, part.shared
        numbers = np.concatenate([head, start, part.offsets]).astype(np.int32)
        panel[: numbers.nbytes] = numbers.view(np.uint8)
        words = np.ascontiguousarray(part.words, np.int8).reshape(-1).view(np.uint8)
        panel[words_at : words_at + words.size] = words
    return packed
