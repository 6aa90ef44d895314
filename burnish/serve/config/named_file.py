"""Files that a configuration names: labels, samples, states, the model itself."""

from __future__ import annotations

import os
from pathlib import Path

from burnish.serve.config.refusal import ConfigError


def named_file(folder: Path, name: str) -> Path:
    """The file of that name in a model's folder. It may also lie beside the folder, in the same repository.

    Links are followed, for whoever makes them may write to the repository; a configuration may come from elsewhere.

    raises: ConfigError if it would lie outside the repository
    """
    path = Path(os.path.normpath(folder / name))
    if not path.is_relative_to(Path(os.path.normpath(folder)).parent):
        raise ConfigError(f"the file '{name}' lies outside the model repository")
    return path
