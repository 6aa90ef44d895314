"""The standard architectures by name: small ones for every run, full-size ones for the slow set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.end_to_end import convolutional, transformers

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Architecture:
    """How to make a model, and what goes in."""

    make: Callable[..., bytes]
    takes_tokens: bool = False
    pixels: int = 48
    vocabulary: int = 100

    def feeds(self, batch: int, length: int = 16, seed: int = 0) -> dict[str, Array]:
        """Seeded inputs; of the tokens of later rows some are padding."""
        random = np.random.default_rng(seed)
        if not self.takes_tokens:
            return {"pixel_values": random.standard_normal((batch, 3, self.pixels, self.pixels), np.float32)}
        mask = np.ones((batch, length), np.int64)
        for row in range(1, batch):
            mask[row, length - row :] = 0
        return {"input_ids": random.integers(0, self.vocabulary, (batch, length)), "attention_mask": mask}


SMALL = {
    "resnet": Architecture(convolutional.resnet),
    "mobilenet_v2": Architecture(convolutional.mobilenet_v2),
    "efficientnet": Architecture(convolutional.efficientnet),
    "convnext": Architecture(convolutional.convnext),
    "vit": Architecture(transformers.vit),
    "bert": Architecture(transformers.bert, takes_tokens=True),
    "distilbert": Architecture(transformers.distilbert, takes_tokens=True),
}

FULL = {
    "resnet50": Architecture(
        lambda: convolutional.resnet((3, 4, 6, 3), 64, (256, 512, 1024, 2048), pixels=224), pixels=224
    ),
    "mobilenet_v2": Architecture(
        lambda: convolutional.mobilenet_v2(convolutional.MOBILENET_V2, 32, 1280, pixels=224), pixels=224
    ),
    "efficientnet_b0": Architecture(
        lambda: convolutional.efficientnet(convolutional.EFFICIENTNET_B0, 32, 1280, pixels=224), pixels=224
    ),
    "convnext_tiny": Architecture(
        lambda: convolutional.convnext((3, 3, 9, 3), (96, 192, 384, 768), pixels=224), pixels=224
    ),
    "vit_base": Architecture(lambda: transformers.vit(12, 768, 12, pixels=224), pixels=224),
    "bert_base": Architecture(
        lambda: transformers.bert(12, 768, 12, vocabulary=30522, most=512), takes_tokens=True, vocabulary=30522
    ),
    "distilbert": Architecture(
        lambda: transformers.distilbert(6, 768, 12, vocabulary=30522, most=512), takes_tokens=True, vocabulary=30522
    ),
}
