"""The cost of a plan's steps on the reference kernel: the host's work and, for a GPU, the copies to the host and back.

    us = copies * COPY_US + bytes / link        a copy for each input and output; constants cross once, at the first run

Costs are for the profile's opt shape; a size that depends on data counts as 1. They leave out the host's own time,
which `burnish bench --layers` measures, and the launches that a CUDA graph could have held.
Link speed and copy time are the target's (hardware.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.dims import product
from burnish.kernels.usual_size import usual_size
from burnish.plan.manifest import ReferenceStepSpec, SymbolRange, TensorSpec, Variant, each_step
from burnish.target import parse_target
from burnish.targets import hardware_of


@dataclass(frozen=True, slots=True)
class Fallback:
    """One step. host_flops: at least so many operations; copies and what follows are 0 where the host sees the memory.

    link_gb_s: the speed that `crossing_us` assumes
    """

    node: str
    op_type: str
    host_flops: int
    copies: int = 0
    bytes_to_host: int = 0
    bytes_back: int = 0
    link_gb_s: float = 0.0
    crossing_us: float = 0.0

    @property
    def cost(self) -> str:
        """A text for people; empty if no data crosses the link."""
        if not self.copies:
            return ""
        way = f"{self.copies} copies, {self.link_gb_s:g} GB/s"
        return (
            f"a run copies {self.bytes_to_host:,} bytes to the host and {self.bytes_back:,} back, about "
            f"{self.crossing_us:.0f} us ({way}), for {self.host_flops:,} flops or more"
        )


def fallbacks(variant: Variant, symbols: Sequence[SymbolRange]) -> tuple[Fallback, ...]:
    """Every step of a variant on the reference kernel, both sides of branches included, in order."""
    sizes = {s.name: s.opt for s in symbols}
    return tuple(_fallback(s, variant, sizes) for s in each_step(variant.steps) if isinstance(s, ReferenceStepSpec))


def _fallback(step: ReferenceStepSpec, variant: Variant, sizes: dict[str, int]) -> Fallback:
    flops = usual_size(variant.launches[step.launch].flops, sizes)
    link = hardware_of(parse_target(variant.target)).link
    if link is None:
        return Fallback(step.name, step.op_type, flops)
    constants = {s.number for s in variant.storages if s.kind == "constant"}
    inputs = [t for t in step.inputs if t.storage not in constants]
    there, back = (sum(_size_bytes(t, sizes) for t in tensors) for tensors in (inputs, step.outputs))
    copies = len(inputs) + len(step.outputs)
    crossing_us = round(copies * link.copy_us + (there + back) / link.bytes_per_us, 1)
    return Fallback(step.name, step.op_type, flops, copies, there, back, link.bytes_per_us / 1e3, crossing_us)


def _size_bytes(tensor: TensorSpec, sizes: dict[str, int]) -> int:
    return usual_size(product(tensor.shape), sizes) * tensor.dtype.size_bytes
