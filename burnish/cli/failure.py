"""The one place where an exception becomes a message on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from burnish.errors import BurnishError, InternalError, stumbled

INTERRUPTED = 130
BROKEN_PIPE = 141  # as a shell reports a process that SIGPIPE ended


def guarded(command: Callable[..., Any], arguments: Sequence[str] | None = None) -> int:
    """Run a typer app; its exit code. BURNISH_DEBUG >= 1 (or --debug anywhere) shows our own tracebacks."""
    from typer import Abort
    from typer.exceptions import TyperException

    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = command(args=[a for a in given if a != "--debug"], prog_name="burnish", standalone_mode=False)
        sys.stdout.flush()
        if code == INTERRUPTED:  # typer has caught the KeyboardInterrupt
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except BurnishError as error:
        return _report(error, error.exit_code, given)
    except TyperException as error:
        show = getattr(error, "show", None)
        show() if show else print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except (KeyboardInterrupt, Abort):
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # the reader has gone; what is still buffered must not raise once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except MemoryError as error:
        from burnish.errors import EnvironmentProblem

        problem = EnvironmentProblem(
            "E803", "out of memory", why=str(error), hint="use smaller shapes or a larger machine"
        )
        return _report(problem, problem.exit_code, given)
    except Exception as error:
        return _report(stumbled(error), InternalError.exit_code, given, error)


def _report(error: BurnishError, code: int, arguments: Sequence[str], cause: Exception | None = None) -> int:
    if "--debug" in arguments or _debugs():
        traceback.print_exception(cause or error, file=sys.stderr)
    if "--json" in arguments:
        import json

        print(json.dumps({"error": error.as_dict()}))
    print(error, file=sys.stderr)
    return code


def _debugs() -> bool:
    from burnish.settings import settings

    try:
        return settings().debug > 0
    except BurnishError:  # BURNISH_DEBUG is no number; a command that asks for it says so
        return False
