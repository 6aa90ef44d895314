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
from burnish.serve.config.normalise import normalise
from burnish.serve.config.options.check import check_options
from burnish.serve.config.options.options import Options
from burnish.serve.config.parse_json import parse_json
from burnish.serve.config.parse_text import parse_text, refused
from burnish.serve.config.versions import RESERVED, versions_of
from burnish.serve.proto import model_config_pb2 as pb

FILE = "config.pbtxt"


def read(folder: Path, model: str = "", override: str | None = None, file: str = FILE) -> pb.ModelConfig:
    """The completed and checked configuration of the model in a folder.

    model      its name; that of its folder if it is not given
    override   a configuration in JSON that stands in for the file
    file       the configuration's name inside the folder; without the file, all of it comes from the model
    raises:    ConfigError; `refusal.poll_failure` makes of it what clients are told
    """
    model = model or folder.name
    path = folder / file
    if override is not None:
        config = parse_json(override)
    elif path.is_file():
        config = parse_text(_bytes_of(path), file)
    else:
        config = pb.ModelConfig()
    complete_backend(config, model, first_version(folder))
    normalise(config)
    check_config(config)
    check_name(config, model)
    Options.of(config)
    return config


def check_loaded(config: pb.ModelConfig, gpus: tuple[int, ...] = ()) -> None:
    """Once a version's model has completed it: everything again, and tensors, instance groups, states."""
    check_groups(config, gpus)
    check_config(config)
    check_tensors(config)
    check_states(config)
    check_options(config)


def first_version(folder: Path) -> list[str]:
    """What lies in the first version folder, by which a backend is recognised."""
    names = [entry.name for entry in os.scandir(folder) if entry.is_dir()] if folder.is_dir() else []
    numbers, _ = versions_of(names)
    candidates = [str(numbers[0])] if numbers else sorted(set(names) - RESERVED)
    return sorted(os.listdir(folder / candidates[0])) if candidates else []


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise refused(path.name, error.strerror or "it cannot be read") from None
