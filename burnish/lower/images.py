"""The images that convolutions read, with what pads them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from burnish.lower.buffers import Buffers, Layout
from burnish.lower.homes import Homes
from burnish.lower.placement import Placement
from burnish.lower.quantised import pad_of
from burnish.lower.wants import needed_zeros
from burnish.ops.language.definition import Conv, Tensor


@dataclass(eq=False)
class Images:
    """The padded inputs of one scope. copy: adds a launch that copies a tensor, under a name."""

    homes: Homes
    buffers: Buffers
    copy: Callable[[Tensor, Placement, Placement, str], None]
    copies: dict[tuple[Tensor, object], Placement] = field(default_factory=dict)

    def padded(self, form: Conv, channels_last: bool) -> Placement:
        """The input with pads around it for the convolution: the input's own halo, or a copy with a halo."""
        x, rank = self.homes.placed(form.x), form.x.rank
        needs = ((0, 0), (0, 0), *needed_zeros(form))
        needs, fill = (needs, pad_of(form) or 0) if any(n != (0, 0) for n in needs) else ((), 0)
        has = self.buffers.halos.get(x) if self.buffers.fills.get(x.storage, 0) == fill & 0xFF else None
        lies = has is not None and all(h[0] >= n[0] and h[1] >= n[1] for h, n in zip(has, needs))
        # bytes are multiplied four channels at once
        strewn = channels_last and x.dtype.is_integer and x.shape[1] != 1 and x.strides[1] != 1
        if (lies or not needs) and not strewn:
            return x
        key = (form.x, (needs, channels_last, fill))
        if key not in self.copies:
            order = (0, *range(2, rank), 1) if channels_last else tuple(range(rank))
            layout = Layout(order, needs, channels_last, fill)
            self.copies[key] = self.buffers.temporary(form.x.name + "/padded", x.dtype, x.shape, layout)
            self.copy(form.x, x, self.copies[key], form.x.name + "/pad")
        return self.copies[key]
