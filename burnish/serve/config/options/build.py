"""How a repository's ONNX file is built into a plan: the options, and the sizes that the plan must run."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from burnish.serve.config.complete import MAX_BATCH_SIZE
from burnish.serve.config.options.values import Axis, flag, one_of, refuse, size_bytes, whole
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

Shape = tuple[int, ...]
Range = tuple[Shape, Shape, Shape]  # smallest, usual, largest

PREFIX = "burnish.build."
ANY = -1
_SHAPE = re.compile(r"\s*(?:'(?P<quoted>[^']+)'|(?P<name>[^,']+?)):(?P<dims>scalar|\d{1,10}(?:x\d{1,10})*)\s*(?:,|$)")
_TARGET = re.compile(r"(?:cpu|cuda)(?::[\w.+-]+)?")


@dataclass(frozen=True, slots=True)
class Build:
    """Shapes by input name, with the batch; what they leave open comes from the configuration.

    target        cpu, cuda, cpu:x86-64-v3 ...; empty: this machine
    memory_bytes  the most that the process that builds may use; 0: the server's limit
    """

    precision: str = "fp32"
    target: str = ""
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    smallest: Mapping[str, Shape] = field(default_factory=dict)
    usual: Mapping[str, Shape] = field(default_factory=dict)
    largest: Mapping[str, Shape] = field(default_factory=dict)
    opt_level: int = 0
    may_fall_back: bool = False
    memory_bytes: int = 0

    @staticmethod
    def readers() -> dict[str, Callable[[str, str], Any]]:
        """The parameters that a build has, each with what reads its text."""
        return {PREFIX + name: reader for name, (_, reader) in _OPTIONS.items()}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Build:
        return cls(**{to: found[PREFIX + name] for name, (to, _) in _OPTIONS.items() if PREFIX + name in found})

    def names(self) -> set[str]:
        """The inputs whose shapes are given."""
        return {*self.shapes, *self.smallest, *self.usual, *self.largest}

    def arguments(self, derived: Mapping[str, Range], batch: tuple[int, int, int] | None = None) -> list[str]:
        """Of `burnish build`, after MODEL and -o PLAN. `derived`: ranges of inputs that are not named here.

        batch: the range of the batch of inputs that neither names
        """
        found = [] if self.precision == "fp32" else ["--precision", self.precision]
        if self.target:
            found += ["--target", self.target]
        if self.opt_level:
            found += ["--opt-level", str(self.opt_level)]
        if self.may_fall_back:
            found += ["--allow-fallback"]
        fixed = dict(self.shapes) | {n: low for n, (low, _, high) in derived.items() if low == high}
        ranges = {n: r for n, r in derived.items() if n not in fixed}
        for option, given, place in (
            ("--shapes", fixed, None),
            ("--min", self.smallest, 0),
            ("--opt", self.usual, 1),
            ("--max", self.largest, 2),
        ):
            shapes = dict(given) | ({n: r[place] for n, r in ranges.items()} if place is not None else {})
            if shapes:
                found += [option, ",".join(_spelled(n, s) for n, s in sorted(shapes.items()))]
        if batch is not None:
            found += ["--batch", ":".join(map(str, batch))]
        return found


def derive_ranges(
    config: pb.ModelConfig, buckets: Mapping[Axis, Sequence[int]], batch_sizes: Sequence[int], given: set[str]
) -> dict[str, Range]:
    """The range of each input that the configuration lists, by its dims, its buckets and the largest batch.

    given   inputs that need none
    raises: ConfigError for a size that may vary without an end
    """
    most = config.max_batch_size
    batch = _batch(config, batch_sizes, most)
    found: dict[str, Range] = {}
    for tensor in config.input:
        dims = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
        if tensor.name in given or not (dims or tensor.HasField("reshape")):
            continue
        ends = [batch] if most > 0 else []
        ends += [_ends(tensor, place, size, buckets) for place, size in enumerate(dims)]
        low, middle, high = zip(*ends) if ends else ((), (), ())
        found[tensor.name] = (low, middle, high)
    return found


def unlisted_batch(
    config: pb.ModelConfig, batch_sizes: Sequence[int], described: Collection[str]
) -> tuple[int, int, int] | None:
    """The batch range of inputs that only the model knows, for which `described` has no shapes; None if all are known.

    It ends at the batch size that the configuration will be completed with.
    """
    if config.input and all(t.name in described for t in config.input):
        return None
    return _batch(config, batch_sizes, config.max_batch_size or MAX_BATCH_SIZE)


def _batch(config: pb.ModelConfig, batch_sizes: Sequence[int], most: int) -> tuple[int, int, int]:
    usual = max(config.dynamic_batching.preferred_batch_size, default=most)
    return min(batch_sizes, default=1), min(max(usual, 1), most), most


def _ends(tensor: pb.ModelInput, place: int, size: int, buckets: Mapping[Axis, Sequence[int]]) -> tuple[int, int, int]:
    if size != ANY:
        return size, size, size
    steps = buckets.get(Axis(tensor.name, place))
    if steps is None:
        raise ConfigError(
            f"input '{tensor.name}' may have any size in dims[{place}], and a plan is built for a range: give its "
            f"sizes in the parameter 'burnish.buckets', or its shapes in '{PREFIX}min' and '{PREFIX}max'"
        )
    return steps[0], steps[len(steps) // 2], steps[-1]


def _shapes(key: str, text: str) -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    end = 0
    while end < len(text):
        match = _SHAPE.match(text, end)
        if match is None:
            refuse(key, text, "shapes are expected, as image:1x3x224x224, mask:1x128")
        dims = match["dims"]
        found[match["quoted"] or match["name"]] = () if dims == "scalar" else tuple(int(d) for d in dims.split("x"))
        end = match.end()
    if not found:
        refuse(key, text, "shapes are expected, as image:1x3x224x224, mask:1x128")
    return found


def _target(key: str, text: str) -> str:
    found = [part.strip() for part in text.split(",")]
    if not all(_TARGET.fullmatch(part) for part in found):
        refuse(key, text, "a target is expected, as cpu, cpu:x86-64-v3 or cuda:sm_90a")
    return ",".join(found)


def _spelled(name: str, shape: Shape) -> str:
    quoted = f"'{name}'" if "," in name else name
    return f"{quoted}:{'x'.join(map(str, shape)) or 'scalar'}"


_OPTIONS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "precision": ("precision", lambda key, text: one_of(key, text, ("fp32", "fp16", "bf16"))),
    "target": ("target", _target),
    "shapes": ("shapes", _shapes),
    "min": ("smallest", _shapes),
    "opt": ("usual", _shapes),
    "max": ("largest", _shapes),
    "opt_level": ("opt_level", lambda key, text: whole(key, text, 0, 5)),
    "allow_fallback": ("may_fall_back", flag),
    "memory": ("memory_bytes", size_bytes),
}
