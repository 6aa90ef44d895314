"""From a model's folder, or from what a load request gives instead, to a configuration that may be served.

`read` does what Triton does when it polls a repository. What then needs the model itself or the machine follows for
each version: complete.py, normalise_groups, and `check_loaded`.
"""

from __future__ import annotations

import os
from pathlib import Path

from burnish.serve.config.backends import complete_backend
from burnish.serve.config.check import check_config, check_name
from burnish.serve.config.check_groups import check_groups
from burnish.serve.config.check_sequence import check_states
from burnish.serve.config.check_tensors import check_tensors
from burnish.serve.config.check_warmup import check_warmup
from burnish.serve.config.normalise import normalise
from burnish.serve.config.options.check import check_options
from burnish.serve.config.options.options import Options
from burnish.serve.config.parse_json import parse_json
from burnish.serve.config.parse_text import parse_text, refused
from burnish.serve.config.refusal import ConfigError
from burnish.serve.config.versions import RESERVED, versions_of
from burnish.serve.proto import model_config_pb2 as pb

FILE = "config.pbtxt"
NAMED = "configs"  # the folder inside a model's for configurations by name
LARGEST_BYTES = 8 << 20  # of a configuration; real ones have a few thousand


def read(
    folder: Path, model: str = "", override: str | None = None, named: str = "", may_complete: bool = True
) -> pb.ModelConfig:
    """The completed and checked configuration of the model in a folder.

    model         its name; that of its folder if it is not given
    override      a configuration in JSON that stands in for the file
    named         `configs/NAME.pbtxt` is read in place of the usual file, where a model has it
    may_complete  whether the model may tell what the configuration leaves out, or be without one
    raises:       ConfigError; `refusal.poll_failure` makes of it what clients are told
    """
    model = model or folder.name
    config = parse_json(override) if override is not None else _read_file(folder, named, may_complete)
    complete_backend(config, model, first_version(folder))
    normalise(config)
    check_config(config)
    if not may_complete:
        check_tensors(config)
    check_name(config, model)
    try:
        Options.of(config)
    except ConfigError as error:  # no words of Triton's: told to clients
        raise ConfigError("a parameter of Burnish is refused", error.message) from None
    return config


def check_loaded(config: pb.ModelConfig, gpus: tuple[int, ...] = ()) -> None:
    """Once a version's model has completed it: everything again, and what is not known before."""
    check_groups(config, gpus)
    check_config(config)
    check_tensors(config)
    check_states(config)
    check_warmup(config)
    check_options(config)


def first_version(folder: Path) -> list[str]:
    """What lies in the first version folder, by which a backend is recognised; nothing if none can be read."""
    try:
        names = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
        numbers, _ = versions_of(names)
        candidates = [str(numbers[0])] if numbers else sorted(set(names) - RESERVED)
        return sorted(os.listdir(folder / candidates[0])) if candidates else []
    except OSError:
        return []


def _read_file(folder: Path, named: str, may_complete: bool) -> pb.ModelConfig:
    path = folder / NAMED / f"{named}.pbtxt"
    if not named or not path.is_file():
        path = folder / FILE
    file = path.relative_to(folder).as_posix()
    if may_complete and not os.path.lexists(path):
        return pb.ModelConfig()
    if not path.is_file():
        raise refused(file, "it is no file" if os.path.lexists(path) else "there is no such file")
    try:
        with path.open("rb") as stream:
            text = stream.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise refused(file, error.strerror or "it cannot be read") from None
    if len(text) > LARGEST_BYTES:
        raise refused(file, f"it has more than {LARGEST_BYTES >> 20} MiB")
    return parse_text(text, file)
