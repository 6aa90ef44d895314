"""The files that the architecture's tests read."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "burnish"
IGNORED = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".hypothesis", ".import_linter_cache", "build"}


def tracked_files() -> list[Path]:
    """What git tracks or would; without git, every file outside caches."""
    try:
        command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        found = [p for p in ROOT.rglob("*") if p.is_file() and not IGNORED & set(p.relative_to(ROOT).parts)]
    else:
        found = [ROOT / n for n in names]
    return sorted(p for p in found if p.is_file())


def python_files() -> list[Path]:
    return [p for p in tracked_files() if p.suffix == ".py"]


def rooms() -> list[Path]:
    """The packages that hold code, by the rule that every one of them has a README."""
    found = [p.parent for p in PACKAGE.glob("*/__init__.py")]
    return sorted(p for p in found if any(f.name != "__init__.py" or f.read_text().strip() for f in p.glob("*.py")))


def name_of(path: Path) -> str:
    """As the tests' messages say it."""
    return path.relative_to(ROOT).as_posix()
