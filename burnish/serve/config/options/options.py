"""What Burnish's own parameters of a configuration say. docs/serve-config.md explains each.

They stand in the map `parameters`, under keys that begin with `burnish.`, so that Triton reads the same file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from burnish.serve.config.options.build import Build, derive_ranges, unlisted_batch
from burnish.serve.config.options.values import (
    Axis,
    axes,
    flag,
    number,
    one_of,
    pad_values,
    pairs,
    refuse,
    share,
    size_bytes,
    sizes,
    weights,
    whole,
)
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

PREFIX = "burnish."
ISOLATIONS = ("none", "process")


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sizes, ascending, to which an axis is padded: to the first that is large enough; a larger one stays as it is."""

    axis: Axis
    sizes: tuple[int, ...]

    def size_for(self, size: int) -> int:
        return next((s for s in self.sizes if s >= size), size)


@dataclass(frozen=True, slots=True)
class Traffic:
    """weights: of each version, for requests that name none; sticky: the request parameter that binds to a version."""

    weights: Mapping[int, float]
    sticky: str = ""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A version that gets copies of requests; its answers are compared and dropped. `part` of 1 is all of them."""

    version: int
    part: float = 1.0
    rtol: float = 1e-3
    atol: float = 1e-5


@dataclass(frozen=True, slots=True)
class Options:
    """buckets      by axis of an input
    pads         what fills up an input (0, false or an empty text where it is not here)
    trims        an axis of an output -> the axis of an input whose size it is cut back to
    batch_sizes  rows to which a batch is filled up; empty: it is not
    isolation    none or process
    threads      CPU threads of one instance; None: the server's choice
    cpu_share    the most of the server's threads that the model may hold while others wait
    memory_bytes the most that it may occupy; 0: no limit of its own
    is_kept      never unloaded to make room for others
    """

    buckets: Mapping[Axis, Bucket] = field(default_factory=dict)
    pads: Mapping[str, bool | int | float | bytes] = field(default_factory=dict)
    trims: Mapping[Axis, Axis] = field(default_factory=dict)
    batch_sizes: tuple[int, ...] = ()
    traffic: Traffic | None = None
    shadow: Shadow | None = None
    isolation: str = "none"
    threads: int | None = None
    cpu_share: float = 1.0
    memory_bytes: int = 0
    is_kept: bool = False
    build: Build = field(default_factory=Build)

    @classmethod
    def of(cls, config: pb.ModelConfig) -> Options:
        """Read a configuration's parameters. ConfigError names the key, its text, and what is expected."""
        given = {k: v.string_value for k, v in config.parameters.items() if k.startswith(PREFIX)}
        for key in sorted(given.keys() - _READERS.keys()):
            close = get_close_matches(key.removeprefix(PREFIX), [k.removeprefix(PREFIX) for k in _READERS], 1)
            hint = f"did you mean '{PREFIX}{close[0]}'?" if close else f"there are {', '.join(sorted(_READERS))}"
            raise ConfigError(f"there is no parameter '{key}'; {hint}")
        found = {key: _READERS[key](key, text) for key, text in given.items()}
        _check_companions(found)
        return cls(**_fields(found))

    def build_arguments(self, config: pb.ModelConfig) -> list[str]:
        """What `burnish build` gets for the model's ONNX file. ConfigError if a size may vary and has no end."""
        steps, named = {axis: bucket.sizes for axis, bucket in self.buckets.items()}, self.build.names()
        ranges = derive_ranges(config, steps, self.batch_sizes, named)
        return self.build.arguments(ranges, unlisted_batch(config, self.batch_sizes, {*ranges, *named}))


def _buckets(key: str, text: str) -> Mapping[Axis, Bucket]:
    found: dict[Axis, Bucket] = {}
    for left, right in pairs(key, text, "ids[0], mask[0] = 16, 32, 64"):
        steps = sizes(key, right)
        for axis in axes(key, left):
            if axis in found:
                refuse(key, text, f"{axis} is named twice")
            found[axis] = Bucket(axis, steps)
    return found


def _trims(key: str, text: str) -> Mapping[Axis, Axis]:
    found: dict[Axis, Axis] = {}
    for left, right in pairs(key, text, "logits[0] = ids[0]"):
        like = axes(key, right)
        if len(like) != 1:
            refuse(key, text, "one axis of an input is expected on the right")
        for axis in axes(key, left):
            if axis in found:
                refuse(key, text, f"{axis} is named twice")
            found[axis] = like[0]
    return found


def _shadow(key: str, text: str) -> tuple[int, float]:
    version, divider, part = text.partition("=")
    return whole(key, version, 0, (1 << 63) - 1), share(key, part) if divider else 1.0


def _text(key: str, text: str) -> str:
    if not text.strip():
        refuse(key, text, "the name of a request parameter is expected")
    return text.strip()


_READERS: Mapping[str, Callable[[str, str], Any]] = MappingProxyType(
    {
        "burnish.batch_sizes": sizes,
        "burnish.buckets": _buckets,
        "burnish.cpu_share": share,
        "burnish.isolation": lambda key, text: one_of(key, text, ISOLATIONS),
        "burnish.keep_loaded": flag,
        "burnish.memory": size_bytes,
        "burnish.pad": pad_values,
        "burnish.shadow": _shadow,
        "burnish.shadow_atol": number,
        "burnish.shadow_rtol": number,
        "burnish.threads": lambda key, text: whole(key, text, 1, 4096),
        "burnish.traffic": weights,
        "burnish.traffic_sticky": _text,
        "burnish.trim": _trims,
    }
    | Build.readers()
)
KEYS = tuple(sorted(_READERS))  # every parameter that there is
_SAME = {
    "batch_sizes": "burnish.batch_sizes", "buckets": "burnish.buckets", "cpu_share": "burnish.cpu_share",
    "isolation": "burnish.isolation", "is_kept": "burnish.keep_loaded", "memory_bytes": "burnish.memory",
    "pads": "burnish.pad", "threads": "burnish.threads", "trims": "burnish.trim",
}  # fmt: skip


def _check_companions(found: Mapping[str, Any]) -> None:
    """What says more about another parameter needs that one."""
    for key in found:
        for start, base in (
            ("burnish.traffic_", "burnish.traffic"),
            ("burnish.shadow_", "burnish.shadow"),
        ):
            if key.startswith(start) and base not in found:
                raise ConfigError(f"parameter '{key}' needs '{base}'")


def _fields(found: Mapping[str, Any]) -> dict[str, Any]:
    """The values by the names that they have in Options."""
    fields = {name: found[key] for name, key in _SAME.items() if key in found}
    if "burnish.traffic" in found:
        fields["traffic"] = Traffic(found["burnish.traffic"], found.get("burnish.traffic_sticky", ""))
    if "burnish.shadow" in found:
        limits = {
            part: found[f"burnish.shadow_{part}"] for part in ("rtol", "atol") if f"burnish.shadow_{part}" in found
        }
        fields["shadow"] = Shadow(*found["burnish.shadow"], **limits)
    fields["build"] = Build.of(found)
    return fields
