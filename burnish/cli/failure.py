"""The one place where an exception becomes a message on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from burnish.errors import BurnishError, EnvironmentProblem, InternalError, UserError, stumbled

if TYPE_CHECKING:
    from typer.exceptions import TyperException

INTERRUPTED = 130
BROKEN_PIPE = 141  # the exit code that a shell reports for a process ended by SIGPIPE


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
        if _is_help(error):
            print(error.message, file=sys.stderr)
            return error.exit_code
        return _report(_usage(error), UserError.exit_code, given)
    except (KeyboardInterrupt, Abort):
        print("\ninterrupted", file=sys.stderr)
        return INTERRUPTED
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise  # typer turns a closed pipe into a SystemExit
        # the reader has gone; buffered output must not raise again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except MemoryError as error:
        hint = "use smaller shapes or a larger machine"
        problem = EnvironmentProblem("E803", "out of memory", why=str(error), hint=hint)
        return _report(problem, problem.exit_code, given)
    except Exception as error:
        return _report(stumbled(error), InternalError.exit_code, given, error)


def _usage(error: TyperException) -> UserError:
    """Our error for a command line that typer cannot read."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "burnish"
    what = error.format_message().rstrip(".")
    return UserError("E624", what[:1].lower() + what[1:], where=command, hint=f"{command} --help lists what it takes")


def _is_help(error: TyperException) -> bool:
    """Was the command `burnish` or `burnish inspect` alone? Then the error's message is the help."""
    context = getattr(error, "ctx", None)
    return context is not None and error.message == context.get_help()


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
    except BurnishError:  # BURNISH_DEBUG is not a number; a command that reads it reports that
        return False
