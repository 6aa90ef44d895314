"""Only coded errors leave a build: any other exception becomes an E901 that says where it was raised.

Exceptions of the caller's own functions (explain, progress) pass through unchanged.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from burnish.errors import BurnishError, EnvironmentProblem, stumbled

P = ParamSpec("P")
R = TypeVar("R")
_STANDARD = sys.stdlib_module_names
LIBRARIES = frozenset({"cuda", "google", "llvmlite", "ml_dtypes", "numpy", "onnx", "onnx_ir", "triton"})


def coded(function: Callable[P, R]) -> Callable[P, R]:
    """Wrap a function so that every failure has a code.

    raises: E803 if memory ran out, E901 for any unexpected exception
    """

    @functools.wraps(function)
    def guarded(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return function(*arguments, **options)
        except BurnishError:
            raise
        except MemoryError as error:
            raise EnvironmentProblem(
                "E803", "out of memory", why=str(error), hint="use smaller shapes or a larger machine"
            ) from error
        except Exception as error:
            if _is_callers(error):
                raise
            raise stumbled(error) from error

    return guarded


def _is_callers(error: Exception) -> bool:
    """Is the error the caller's: the call does not fit the signature, or a function of the caller raised it?"""
    modules = [str(f.f_globals.get("__name__", "")).split(".")[0] for f, _ in traceback.walk_tb(error.__traceback__)]
    last = max(i for i, name in enumerate(modules) if name == "burnish")
    return len(modules) == 1 or (last + 1 < len(modules) and modules[last + 1] not in LIBRARIES | _STANDARD)
