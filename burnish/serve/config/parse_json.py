"""A configuration in JSON, as a load request gives it in place of config.pbtxt, becomes the same message.

Names are those of config.pbtxt or their camelCase, names of enum values stand in any case, 64-bit integers and truth
values may stand in quotes: what protobuf's JSON form allows. Refusals say which value is meant.
"""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from burnish.serve.config.parse_text import MOST_SHOWN, meant
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(1 << 31), (1 << 31) - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, (1 << 32) - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(1 << 63), (1 << 63) - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, (1 << 64) - 1),
}
_NOT_FINITE = {"NaN", "Infinity", "-Infinity"}


def parse_json(text: str | bytes) -> pb.ModelConfig:
    """The message that JSON spells; ConfigError for anything else."""
    try:
        found = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _refused(f"no JSON: {error}"[:200]) from None
    config = pb.ModelConfig()
    _fill(config, found, "")
    return config


def _refused(detail: str) -> ConfigError:
    return ConfigError("Invalid config override", detail)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"'{twice[:MOST_SHOWN]}' is given twice")
    return found


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def _fill(message: Any, value: Any, path: str) -> None:
    """Set a message's fields from an object."""
    if not isinstance(value, dict):
        raise _wrong(path, value, "an object, { ... }")
    about = message.DESCRIPTOR
    by_name = dict(about.fields_by_camelcase_name) | dict(about.fields_by_name)
    given: dict[str, str] = {}  # a field, or the choice that it belongs to -> the name that it was given under
    for name, item in value.items():
        field = by_name.get(name)
        if field is None:
            names = list(about.fields_by_name)
            known = f"{_in(path)}{about.name} has no field '{name[:MOST_SHOWN]}'{meant(name, names)}"
            raise _refused(known)
        if item is None:
            continue
        slot = field.containing_oneof.name if field.containing_oneof else field.name
        if slot in given:
            raise _refused(f"{_in(path)}'{name}' and '{given[slot]}' exclude each other, and both are given")
        given[slot] = name
        _set(message, field, item, f"{path}.{name}" if path else name)


def _set(message: Any, field: Any, value: Any, path: str) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        _fill_map(getattr(message, field.name), field.message_type, value, path)
    elif field.is_repeated:
        if isinstance(value, dict):  # one message may stand without the brackets around it
            value = [value]
        if not isinstance(value, list):
            raise _wrong(path, value, "a list, [ ... ]")
        target = getattr(message, field.name)
        for place, item in enumerate(value):
            if field.message_type is not None:
                _fill(target.add(), item, f"{path}[{place}]")
            else:
                target.append(_scalar(field, item, f"{path}[{place}]"))
    elif field.message_type is not None:
        target = getattr(message, field.name)
        target.SetInParent()
        _fill(target, value, path)
    else:
        setattr(message, field.name, _scalar(field, value, path))


def _fill_map(target: Any, entry: Any, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _wrong(path, value, "an object, { ... }")
    of_key, of_value = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for name, item in value.items():
        at = f"{path}['{name[:MOST_SHOWN]}']"
        key = _scalar(of_key, name, at)
        if of_value.message_type is not None:
            _fill(target[key], item, at)
        else:
            target[key] = _scalar(of_value, item, at)


def _scalar(field: Any, value: Any, path: str) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _text(value, path)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        found = {"true": True, "false": False}.get(value) if isinstance(value, str) else value
        if not isinstance(found, bool):
            raise _wrong(path, value, "true or false")
        return found
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        return _enum(field.enum_type, value, path)
    if kind in _RANGES:
        return _whole(value, path, *_RANGES[kind])
    return _number(value, path)


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _wrong(path, value, "a text")
    if not value.isprintable() and any("\ud800" <= c <= "\udfff" for c in value):
        raise _refused(f"{path} holds half a surrogate pair, which no UTF-8 text can")
    return value


def _whole(value: Any, path: str, least: int, most: int) -> int:
    if isinstance(value, str) and value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 32:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise _wrong(path, value, f"a whole number from {least} to {most}")
    return value


def _number(value: Any, path: str) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number and not (isinstance(value, str) and value in _NOT_FINITE):
        raise _wrong(path, value, "a number")
    try:
        return float(value)
    except OverflowError:
        raise _wrong(path, "a very large number", "one that fits a float") from None


def _enum(enum: Any, value: Any, path: str) -> int:
    if isinstance(value, str):
        found = enum.values_by_name.get(value.upper())
        if found is None:
            names = list(enum.values_by_name)
            raise _refused(f"{path}: {enum.name} has no value {value[:MOST_SHOWN]}{meant(value, names)}")
        return int(found.number)
    return _whole(value, path, *_RANGES[FieldDescriptor.CPPTYPE_INT32])


def _wrong(path: str, value: Any, expected: str) -> ConfigError:
    shown = json.dumps(value) if isinstance(value, str | int | float) else type(value).__name__
    kinds = {"dict": "an object", "list": "a list", "NoneType": "null"}
    return _refused(f"{path or 'it'} is {kinds.get(shown, shown)[:MOST_SHOWN]}; {expected} is expected")


def _in(path: str) -> str:
    return f"{path}: " if path else ""
