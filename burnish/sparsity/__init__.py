"""Zeros among weights: where a model has them, and how to make more of them."""

from burnish.sparsity.compare import Comparison, compare
from burnish.sparsity.layers import Layer, Sparsity, find_sparsity
from burnish.sparsity.masks import ON_GPUS
from burnish.sparsity.prune import PATTERNS, Pruned, prune
from burnish.sparsity.time_layers import Gain, Gains, time_products

__all__ = [
    "ON_GPUS",
    "PATTERNS",
    "Comparison",
    "Gain",
    "Gains",
    "Layer",
    "Pruned",
    "Sparsity",
    "compare",
    "find_sparsity",
    "prune",
    "time_products",
]
