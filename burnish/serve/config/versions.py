"""Which version folders of a model are served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from burnish.serve.config.options.check import check_named_versions
from burnish.serve.config.refusal import ConfigError
from burnish.serve.proto import model_config_pb2 as pb

RESERVED = frozenset({"warmup", "initial_state", "configs"})  # folders of a model that hold no version
LARGEST = (1 << 63) - 1
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class Versions:
    """served: ascending; notes: a sentence for each folder that is passed over and each version that is missing."""

    served: tuple[int, ...]
    notes: tuple[str, ...] = ()


def versions_of(folders: Iterable[str]) -> tuple[list[int], list[str]]:
    """The versions among a model's folders, ascending, and why the other folders are none.

    Triton takes `4a` for version 4 and then looks for a folder `4`; here a version is a number and nothing else.
    """
    found, notes = [], []
    for folder in sorted(set(folders) - RESERVED):
        if len(folder) > 1 and folder.startswith("0") and _NUMBER.fullmatch(folder):
            notes.append(f"ignore version directory '{folder}' which contains leading zeros in its directory name")
        elif not _NUMBER.fullmatch(folder):
            notes.append(f"ignore version directory '{folder}' which fails to convert to integral number")
        elif int(folder) > LARGEST:
            notes.append(f"ignore version directory '{folder}' which is a larger number than {LARGEST}")
        else:
            found.append(int(folder))
    return sorted(found), notes


def choose_versions(config: pb.ModelConfig, folders: Iterable[str]) -> Versions:
    """The versions to serve under a completed configuration's policy; ConfigError if there are none."""
    present, notes = versions_of(folders)
    policy = config.version_policy
    if policy.HasField("specific"):
        wanted = sorted(set(policy.specific.versions))
        missing = sorted(set(wanted) - set(present))
        notes += [
            f"version {v} is specified for model '{config.name}', but the version directory is not present"
            for v in missing
        ]
        served = [v for v in wanted if v in present]
    elif policy.HasField("latest"):
        served = present[-policy.latest.num_versions :] if policy.latest.num_versions else []
    else:
        served = present
    if not served:
        sentence = f"at least one version must be available under the version policy of model '{config.name}'"
        raise ConfigError(sentence, "; ".join(notes) if notes and not policy.HasField("specific") else "")
    check_named_versions(config, served)
    return Versions(tuple(served), tuple(notes))
