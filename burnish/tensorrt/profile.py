"""IOptimizationProfile: the range of shapes that each dynamic input may have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from burnish.errors import UserError
from burnish.tensorrt.dims import Dims
from burnish.tensorrt.network.network import INetworkDefinition

__all__ = ["IOptimizationProfile"]

Range = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


class IOptimizationProfile:
    """Get one from `Builder.create_optimization_profile`."""

    def __init__(self) -> None:
        self.extra_memory_target = 0.0
        self._ranges: dict[str, Range] = {}

    def set_shape(self, input: str, min: Iterable[int], opt: Iterable[int], max: Iterable[int]) -> None:
        """The plan is tuned for `opt` and runs every shape from `min` to `max`. E653 unless min <= opt <= max."""
        low, best, high = (tuple(Dims(s)) for s in (min, opt, max))
        fits = len(low) == len(best) == len(high) and all(a <= b <= c for a, b, c in zip(low, best, high))
        if not fits:
            raise UserError(
                "E653",
                f"the shapes {low}, {best}, {high} of input '{input}' are no range",
                why="min <= opt <= max must hold in every dimension, with as many dimensions in each",
            )
        self._ranges[input] = (low, best, high)

    def get_shape(self, input: str) -> list[Dims]:
        """[min, opt, max]; empty for an input that has not been set."""
        return [Dims(s) for s in self._ranges.get(input, ())]

    def set_shape_input(self, input: str, min: Sequence[int], opt: Sequence[int], max: Sequence[int]) -> None:
        """Accepted and not needed: Burnish bounds the sizes that input values decide from the model itself."""

    def get_shape_input(self, input: str) -> list[Dims]:
        return []

    def __bool__(self) -> bool:
        return bool(self._ranges)

    __nonzero__ = __bool__


def merged_ranges(network: INetworkDefinition, profiles: Sequence[IOptimizationProfile]) -> dict[str, Range]:
    """One range for each dynamic input that holds those of all profiles; tuned for the first profile's `opt`.

    raises: E653 if a dynamic input is in no profile, or a profile does not fit the network's input
    """
    merged: dict[str, Range] = {}
    for number in range(network.num_inputs):
        tensor = network.get_input(number)
        assert tensor is not None
        shape = list(tensor.shape)
        found = [p._ranges[tensor.name] for p in profiles if tensor.name in p._ranges]
        if not found and -1 in shape:
            raise UserError(
                "E653",
                f"input '{tensor.name}' {tensor.shape} is dynamic and no optimization profile bounds it",
                hint="profile.set_shape(name, min, opt, max), then config.add_optimization_profile(profile)",
            )
        if not found:
            continue
        for low, _, high in found:
            if len(low) != len(shape) or any(d >= 0 and not a == d == b for d, a, b in zip(shape, low, high)):
                raise UserError(
                    "E653",
                    f"the profile of input '{tensor.name}' is {low} to {high}; the network's input is {tensor.shape}",
                    why="a dimension that is not -1 cannot vary",
                )
        lows, highs = zip(*(low for low, _, _ in found)), zip(*(high for _, _, high in found))
        merged[tensor.name] = (tuple(map(min, lows)), found[0][1], tuple(map(max, highs)))
    return merged
