"""The kernel's permission to use AMX's tiles, which a process must ask for.

A process that was not given it dies of SIGILL at its first tile instruction, whatever /proc/cpuinfo says. One request
holds for all threads, also for those made before, and in forked processes; after an exec it must be made again. It is
made when a target with tiles is first of interest (a plan is loaded, the best target is asked for), never at import.

Source: Linux, Documentation/arch/x86/xstate.rst; since 5.16.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import os

_ARCH_PRCTL, _REQUEST, _TILE_DATA = 158, 0x1023, 18  # of x86-64: system call, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
_REASONS = {
    errno.EINVAL: "it is older than Linux 5.16, or hides the feature",
    errno.EOPNOTSUPP: "it does not support the feature on this machine",
    errno.ENOSYS: "it has no such system call: a sandbox, or another system",
    errno.EPERM: "a sandbox (seccomp) forbids arch_prctl",
    errno.EACCES: "a sandbox forbids arch_prctl",
    errno.ENOSPC: "the signal stack of a thread is too small: make it at least getauxval(AT_MINSIGSTKSZ) bytes",
}


def refusal() -> str | None:
    """Why the kernel does not let this process use tiles; None if it does. Asked once per process."""
    return _refusal(os.getpid())


@functools.cache
def _refusal(process: int) -> str | None:
    del process  # the key: a forked process asks for itself
    number = _request()
    if number == 0:
        return None
    return f"errno {number} from the kernel: {_REASONS.get(number, os.strerror(number))}"


def _request() -> int:
    """0, or the error number."""
    library = ctypes.CDLL(None, use_errno=True)
    return 0 if library.syscall(_ARCH_PRCTL, _REQUEST, _TILE_DATA) == 0 else ctypes.get_errno()
