"""Translate the driver's error results for users: one coded error for each kind of failure."""

from __future__ import annotations

from burnish.errors import BurnishError, EnvironmentProblem, InternalError

OUT_OF_MEMORY, NOT_INITIALIZED, NO_DEVICE, INVALID_DEVICE, NOT_READY = 2, 3, 100, 101, 600
# after one of these every further call of the process fails the same way
LOST = frozenset({46, 214, 220, 226, 304, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 721, 810, 999})
NOT_LOADABLE = frozenset({200, 209, 218, 221, 222, 300, 301, 302, 303, 500})
NO_ROOM_TO_LAUNCH = 701


def failure(number: int, name: str, doing: str, gpu: str = "cuda") -> BurnishError:
    """The error for the driver's answer `number`, called `name`, to what we were `doing`."""
    why = f"{doing}: the driver answers {name} ({number})"
    if number == OUT_OF_MEMORY:
        return no_memory(doing, gpu, why)
    if number == NOT_INITIALIZED:
        return EnvironmentProblem(
            "E836",
            "this process cannot use the GPU",
            why="it was forked from one that already did; a GPU's context does not survive a fork",
            hint="start it with multiprocessing's 'spawn', or load the plan after the fork only",
        )
    if number in LOST:
        return EnvironmentProblem(
            "E524",
            f"{gpu} is lost to this process",
            why=why,
            hint="start a new process; if it happens again, BURNISH_DEBUG=2 names the launch, dmesg (Xid) says more; "
            "please report it with the plan",
        )
    if number in NOT_LOADABLE:
        return InternalError(
            "E531",
            "the plan's machine code cannot be loaded",
            why=why,
            hint="build the plan again; report it if it stays so",
        )
    return InternalError(
        "E526",
        f"{gpu} refused what the plan asked of it",
        why=why,
        hint="please report it, with the plan",
    )


def no_memory(doing: str, gpu: str, why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E520",
        f"{gpu}: there is not enough memory to {doing}",
        why=why,
        hint="lower the profile's maximum shapes, make fewer contexts, or look at nvidia-smi for other processes",
    )


def no_bindings(why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E833",
        "the bindings of NVIDIA's driver are not installed",
        why=why,
        hint="pip install 'burnish[cuda]' (running needs cuda-bindings alone)",
    )


def no_driver(why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E834",
        "there is no NVIDIA driver that can be used",
        why=why,
        hint="install it, 525 or later (burnish inspect env says what is there); a container needs --gpus all",
    )


def no_gpu(number: int, count: int) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E835",
        f"there is no GPU {number}" if count else "the driver sees no GPU",
        why=f"it sees {count}, counted from 0" if count else "nothing is installed, or nothing is visible",
        hint="look at nvidia-smi, and at CUDA_VISIBLE_DEVICES; a container needs --gpus all",
    )
