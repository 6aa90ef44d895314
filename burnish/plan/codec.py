"""Manifest <-> JSON values: one strict codec for each dataclass, written out: this file is the manifest's grammar.

Every field is always written, except rare fields, which are written only if they are not empty. Every field is required
when reading: a missing, unknown or mistyped one is refused with its path (`variants[0].storages[3].size`). JSON has no
tuples, dims or dtypes; they are stored as lists, `dims.to_json` values and names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from burnish import dims
from burnish.dtypes import DType
from burnish.index_check import IndexCheck
from burnish.plan import manifest as m
from burnish.requirement import Requirement


class Mismatch(ValueError):
    """A JSON value that the grammar does not allow, and its path."""

    def __init__(self, what: str, path: str = "") -> None:
        super().__init__(what)
        self.what, self.path = what, path

    def inside(self, step: str) -> Mismatch:
        """The same mismatch, with the path from one level up."""
        return Mismatch(self.what, f"{step}{'' if self.path[:1] in ('', '[') else '.'}{self.path}")


@dataclass(frozen=True, slots=True)
class Codec:
    """encode: a manifest's value to a JSON value. decode: back; Mismatch for anything that `encode` does not give."""

    encode: Callable[[Any], Any]
    decode: Callable[[Any], Any]


def _exactly(kind: type, check: Callable[[Any], bool] = lambda value: True, what: str = "") -> Codec:
    def decode(value: Any) -> Any:
        if type(value) is not kind or not check(value):
            raise Mismatch(f"expected {what or kind.__name__}, found {_show(value)}")
        return value

    return Codec(decode, decode)


def _show(value: object) -> str:
    printed = repr(value)
    return printed if len(printed) <= 40 else printed[:37] + "..."


def _decode_dim(value: Any) -> dims.Dim:
    if type(value) is int:
        return value
    try:
        return dims.from_json(value)
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise Mismatch(f"not a dimension ({error})") from error


def _decode_dtype(value: Any) -> DType:
    try:
        return DType(value)
    except ValueError as error:
        raise Mismatch(f"{_show(value)} is not an element type") from error


def each(item: Codec) -> Codec:
    """A tuple of items; a list in JSON."""

    def decode(value: Any) -> tuple[Any, ...]:
        if type(value) is not list:
            raise Mismatch(f"expected a list, found {_show(value)}")
        done: list[Any] = []
        try:
            for entry in value:
                done.append(item.decode(entry))  # noqa: PERF401  (its length is the place of a mismatch)
        except Mismatch as error:
            raise error.inside(f"[{len(done)}]") from error
        return tuple(done)

    return Codec(lambda values: [item.encode(v) for v in values], decode)


def record(kind: type, /, *, may_lack: Collection[str] = (), **fields: Codec) -> Codec:
    """A dataclass; an object with exactly these keys in JSON. may_lack: keys that are written only if not empty."""

    def encode(value: Any) -> dict[str, Any]:
        done = {}
        for name, codec in fields.items():
            try:
                encoded = codec.encode(getattr(value, name))
            except Mismatch as error:
                raise error.inside(name) from error
            if encoded or name not in may_lack:
                done[name] = encoded
        return done

    def decode(value: Any) -> Any:
        lacking = fields.keys() - value.keys() if type(value) is dict else set()
        if type(value) is not dict or value.keys() - fields.keys() or lacking - set(may_lack):
            found = sorted(value) if type(value) is dict else _show(value)
            raise Mismatch(f"{kind.__name__} has the fields {sorted(fields)}, found {found}")
        name = ""
        try:
            done = {}
            for name, codec in fields.items():
                if name in lacking:
                    continue
                done[name] = codec.decode(value[name])
                if name in may_lack and not done[name]:
                    raise Mismatch("it is empty, and so not written")
        except Mismatch as error:
            raise error.inside(name) from error
        return kind(**done)

    return Codec(encode, decode)


def one_of(word: str, /, **kinds: tuple[type, Codec]) -> Codec:
    """A union. In JSON it is the record's object with one more key, `word`, that names the record."""

    def encode(value: Any) -> dict[str, Any]:
        tag = next(tag for tag, (kind, _) in kinds.items() if type(value) is kind)
        return {word: tag, **kinds[tag][1].encode(value)}

    def decode(value: Any) -> Any:
        if type(value) is not dict or not isinstance(tag := value.get(word), str) or tag not in kinds:
            raise Mismatch(f"expected a record with {word!r}, one of {', '.join(kinds)}, found {_show(value)}")
        return kinds[tag][1].decode({key: v for key, v in value.items() if key != word})

    return Codec(encode, decode)


def _check_json(value: Any) -> Any:
    """Free-form values (options, accuracy): any JSON value, without nan; all keys must be strings."""
    if value is None or type(value) in (str, int, bool) or (type(value) is float and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_check_json(v) for v in value]
    if isinstance(value, Mapping) and all(type(key) is str for key in value):
        return {key: _check_json(v) for key, v in value.items()}
    raise Mismatch(f"{_show(value)} has no place in a manifest: JSON values only, floats finite")


def _check_json_object(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise Mismatch(f"expected an object, found {_show(value)}")
    return _check_json(value)


def _check_key(value: Any) -> Any:
    if type(value) is str or (type(value) is int and -1 << 63 <= value < 1 << 63):
        return value
    raise Mismatch(f"expected a text or an integer of 64 bits, found {_show(value)}")


text = _exactly(str)
natural = _exactly(int, lambda value: 0 <= value < 1 << 62, "an integer >= 0")
flag = _exactly(bool)
dim = Codec(dims.to_json, _decode_dim)
dtype = Codec(lambda value: value.value, _decode_dtype)
json_object = Codec(_check_json_object, _check_json_object)

symbol = record(m.SymbolRange, name=text, min=natural, opt=natural, max=natural, from_data=flag)
tensor = record(m.TensorSpec, name=text, dtype=dtype, shape=each(dim), storage=natural)
storage = record(m.StorageSpec, number=natural, kind=text, size=dim, offset=natural, blob=text)
launch = record(m.LaunchSpec, name=text, kernel=text, nodes=each(text), tactic=text, flops=dim, bytes=dim, task=text)
_steps: Codec = Codec(lambda values: steps.encode(values), lambda value: steps.decode(value))  # a branch holds steps
argument = one_of(
    "argument",
    pointer=(m.PointerArgument, record(m.PointerArgument, storage=natural, offset=dim)),
    scalar=(m.ScalarArgument, record(m.ScalarArgument, value=dim, dtype=text)),
    tensor_map=(
        m.TensorMapArgument,
        record(
            m.TensorMapArgument,
            storage=natural, offset=dim, dtype=dtype, shape=each(dim), strides=each(dim), box=each(natural),
            steps=each(natural), swizzle=natural,
        ),
    ),
)  # fmt: skip
step = one_of(
    "step",
    native=(m.NativeStep, record(m.NativeStep, segment=natural, first=natural, count=natural, shared_work=dim)),
    kernel=(
        m.KernelStep,
        record(
            m.KernelStep,
            code=text, entry=text, grid=each(dim), threads=natural, shared_bytes=natural, arguments=each(argument),
            launch=natural, overlaps=flag,
        ),
    ),
    reference=(
        m.ReferenceStepSpec,
        record(
            m.ReferenceStepSpec,
            name=text, op_type=text, blob=text, inputs=each(tensor), outputs=each(tensor), launch=natural,
        ),
    ),
    require=(Requirement, record(Requirement, what=text, where=text, left=dim, right=dim, rule=text)),
    index_check=(
        IndexCheck,
        record(IndexCheck, what=text, where=text, low=dim, high=dim, storage=natural, place=natural),
    ),
    fail=(m.FailStep, record(m.FailStep, name=text, reason=text)),
    branch=(m.BranchStep, record(m.BranchStep, condition=natural, then=_steps, otherwise=_steps)),
)  # fmt: skip
steps: Codec = each(step)
key = Codec(_check_key, _check_key)
presentation = record(m.Presentation, output=text, form=text, keys=each(key))
output_shape = record(m.OutputShape, output=text, shape=tensor)
default = record(m.DefaultSpec, input=text, shape=each(natural), blob=text)
byte = _exactly(int, lambda value: 0 <= value < 256, "a byte")
fill = record(m.FillSpec, offset=natural, size_bytes=natural, byte=byte)
variant = record(
    m.Variant,
    may_lack={"fills"},
    target=text,
    code=text,
    storages=each(storage),
    arena_bytes=natural,
    zero_bytes=natural,
    scratch_bytes=natural,
    steps=steps,
    launches=each(launch),
    fills=each(fill),
)
manifest = record(
    m.Manifest,
    producer=text,
    model_name=text,
    model_sha256=text,
    options=json_object,
    symbols=each(symbol),
    inputs=each(tensor),
    outputs=each(tensor),
    variants=each(variant),
    notes=each(text),
    accuracy=json_object,
    graph=text,
    presentations=each(presentation),
    defaults=each(default),
    output_shapes=each(output_shape),
    may_lack=("presentations", "defaults", "output_shapes"),
)
