"""config.pbtxt, in protobuf's text format, becomes a message; what does not parse is refused by name and line."""

from __future__ import annotations

import re
from difflib import get_close_matches

from google.protobuf import text_format

from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.proto.pool import POOL
from burnish.serve.status import Code

_NO_FIELD = re.compile(r'Message type "(?P<message>[\w.]+)" has no field named "(?P<name>[^"]*)"')
_TWICE = re.compile(r'Message type "(?P<message>[\w.]+)" should not have multiple "(?P<name>\w+)" fields')
_BESIDE = re.compile(r'Field "(?P<name>\w+)" is specified along with field "(?P<other>\w+)", another member of oneof')
_NO_VALUE = re.compile(r'Enum type "(?P<enum>[\w.]+)" has no value (?:named|with number) (?P<name>[^\s.]+)')
_NO_NUMBER = re.compile(r"Couldn't parse (?P<kind>integer|float): (?P<found>.*?)(?: at |$)", re.DOTALL)
_POSITION = re.compile(r"\A(?P<line>\d+):(?P<column>\d+) : (?:'(?P<text>.*)': )?(?P<why>.*)\Z", re.DOTALL)
_TYPES = {  # what others call the types
    "FLOAT": "TYPE_FP32", "FLOAT32": "TYPE_FP32", "DOUBLE": "TYPE_FP64", "FLOAT64": "TYPE_FP64", "HALF": "TYPE_FP16",
    "FLOAT16": "TYPE_FP16", "BFLOAT16": "TYPE_BF16", "BYTES": "TYPE_STRING", "TEXT": "TYPE_STRING", "INT": "TYPE_INT32",
    "LONG": "TYPE_INT64", "SHORT": "TYPE_INT16", "BYTE": "TYPE_UINT8", "BOOLEAN": "TYPE_BOOL",
}  # fmt: skip
MOST_SHOWN = 60  # characters of a line or a name that a message repeats


def parse_text(text: bytes | str, file: str = "config.pbtxt") -> pb.ModelConfig:
    """The message that a configuration file spells. `file` is its name in messages."""
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig", errors="surrogateescape")  # a comment may hold anything
    config = pb.ModelConfig()
    try:
        text_format.Parse(text, config, descriptor_pool=POOL)
    except text_format.ParseError as error:
        raise refused(file, _where_and_why(str(error).encode("utf-8", "replace").decode())) from None
    except UnicodeError:
        raise refused(file, "a text in it is not UTF-8") from None
    except (ValueError, OverflowError) as error:  # what protobuf itself lets through: the number of an enum's value
        raise refused(file, _explain_number(str(error), text)) from None
    return config


def refused(file: str, detail: str) -> ConfigError:
    return ConfigError(f"failed to read text proto from {file}", detail, Code.INTERNAL)


def _where_and_why(error: str) -> str:
    found = _POSITION.match(error)
    if found is None:
        return explain(error)
    line, column, text, why = found["line"], found["column"], found["text"], found["why"].rstrip(". ")
    if why.startswith("Couldn't parse string"):  # found when the next token was read, which may be on a later line
        return f"line {line} or before: a text is not UTF-8"
    if text is None and why.startswith("Expected"):
        return f"the file ends after line {line}, where {why.removeprefix('Expected ')} is missing"
    if "codec can't encode" in why:
        return f"line {line}: a text in it is not UTF-8"
    shown = f" ({text.strip()[:MOST_SHOWN]})" if text and text.strip() else ""
    return f"line {line}, column {column}: {explain(why)}{shown}"


def _explain_number(error: str, text: str) -> str:
    _, _, number = error.rpartition(": ")
    lines = [place for place, line in enumerate(text.split("\n"), 1) if number and number in line]
    where = f"line {lines[0]}: " if lines else ""
    return f"{where}{explain(error)}"


def explain(why: str) -> str:
    """Protobuf's reason in our words; those that say enough stay."""
    if found := _NO_FIELD.search(why):
        names = list(POOL.FindMessageTypeByName(found["message"]).fields_by_name)
        return f"{_short(found['message'])} has no field '{found['name'][:MOST_SHOWN]}'{meant(found['name'], names)}"
    if found := _TWICE.search(why):
        return f"'{found['name']}' of {_short(found['message'])} is given twice"
    if found := _BESIDE.search(why):
        return f"'{found['name']}' and '{found['other']}' exclude each other, and both are given"
    if found := _NO_VALUE.search(why):
        names = list(POOL.FindEnumTypeByName(found["enum"]).values_by_name)
        return f"{_short(found['enum'])} has no value {found['name'][:MOST_SHOWN]}{meant(found['name'], names)}"
    if found := _NO_NUMBER.search(why):
        kind = "a whole number" if found["kind"] == "integer" else "a number"
        return f"{found['found'][:MOST_SHOWN]} stands where {kind} is expected"
    if why.startswith("String missing ending quote"):
        return "the quote that ends a text is missing in its line"
    return why[:1].lower() + why[1:200]


def _short(full_name: str) -> str:
    return full_name.removeprefix("inference.")


def meant(name: str, names: list[str]) -> str:
    """What a name that is not there may be a slip of."""
    if not names:
        return "; it has none"
    named = _TYPES.get(name.upper().removeprefix("TYPE_"))
    if named not in names:
        close = get_close_matches(name.upper() if names[0].isupper() else name.lower(), names, 1)
        named = close[0] if close else None
    if named:
        return f"; did you mean {named}?"
    return f"; it has {', '.join(names)}" if len(names) <= 16 else ""
