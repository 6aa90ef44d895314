"""What is measured on a GPU: the standard models at their batches, their inputs, and the times to beat.

The models are those of a script with a table MODELS (name -> class, config, inputs, output) and a command line
`python SCRIPT FOLDER NAME ...` that exports them as ONNX. Times are of one NVIDIA H200, fp16, in CUDA graphs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TERAFLOPS, TERABYTES, LAUNCH_US = 781.0, 4.25, 1.2  # an H200: half-precision products, copies, a node of a graph
TOLERANCE = {"fp32": 1e-3, "fp16": 4e-2, "bf16": 2e-1}  # of the largest value: these weights amplify every rounding
MOST_CHECKED = 8  # rows of a batch that are compared with the oracle


@dataclass(frozen=True, slots=True)
class Case:
    """A model at a batch. aim_ms: at most this, by plan; torch_ms: torch.compile in a CUDA graph, measured before."""

    model: str
    batch: int
    tokens: int = 0  # a sequence's length; 0 for images
    aim_ms: float = 0.0
    torch_ms: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.model}-b{self.batch}" + (f"-s{self.tokens}" if self.tokens else "")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        if self.tokens:
            return {"input_ids": (self.batch, self.tokens), "attention_mask": (self.batch, self.tokens)}
        return {"pixel_values": (self.batch, 3, 224, 224)}

    def inputs(self) -> dict[str, np.ndarray[Any, Any]]:
        """The same on every machine. Of the sequences in a batch, every second one ends early."""
        random = np.random.default_rng(self.batch)
        if not self.tokens:
            return {"pixel_values": images(self.batch, seed=2)}
        ends = np.full(self.batch, self.tokens)
        ends[1::2] -= random.integers(0, self.tokens // 2, len(ends[1::2]))
        mask = (np.arange(self.tokens) < ends[:, None]).astype(np.int64)
        return {"input_ids": random.integers(0, 30000, self.shapes["input_ids"]), "attention_mask": mask}

    @property
    def checked_rows(self) -> list[int]:
        """Rows of the batch that are compared: the first, the last and some between."""
        return sorted({int(n) for n in np.linspace(0, self.batch - 1, min(self.batch, MOST_CHECKED))})


def images(count: int, seed: int) -> np.ndarray[Any, Any]:
    """[count, 3, 224, 224], each another landscape: coarse noise carries most, so that networks tell them apart."""
    random = np.random.default_rng(seed)
    coarse = random.standard_normal((count, 3, 7, 7), np.float32).repeat(32, axis=2).repeat(32, axis=3)
    return coarse + 0.5 * random.standard_normal((count, 3, 224, 224), np.float32)


CASES = (
    Case("resnet50", 1, 0, 0.21, 0.40),
    Case("resnet50", 8, 0, 0.35, 0.61),
    Case("resnet50", 128, 0, 3.0, 4.51),
    Case("bert_base", 1, 128, 0.50, 0.73),
    Case("bert_base", 8, 128, 0.90, 1.10),
    Case("bert_base", 128, 128, 9.0, 10.1),
    Case("bert_large", 1, 384, 1.6, 2.17),
    Case("bert_large", 8, 384, 7.5, 8.74),
    Case("mobilenetv2", 1),
    Case("mobilenetv2", 128),
    Case("efficientnet_b0", 1),
    Case("efficientnet_b0", 128),
    Case("convnext_tiny", 1),
    Case("convnext_tiny", 128),
    Case("vit_base", 1),
    Case("vit_base", 128),
)


def chosen(models: str, batches: str) -> list[Case]:
    """Cases by names and batches, each separated by commas; empty takes all. A batch without a case gets a new one."""
    names = [n for n in models.split(",") if n] or list(dict.fromkeys(c.model for c in CASES))
    sizes = [int(n) for n in batches.split(",") if n]
    found = []
    for name in names:
        known = {c.batch: c for c in CASES if c.model == name}
        if not known:
            raise SystemExit(f"no model '{name}'; there are {', '.join(dict.fromkeys(c.model for c in CASES))}")
        tokens = next(iter(known.values())).tokens
        found += [known.get(n, Case(name, n, tokens)) for n in sizes or known]
    return found
