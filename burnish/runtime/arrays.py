"""The caller's tensors as numpy arrays: numpy and DLPack without copies, and no silent casts."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.dims import format_shape
from burnish.errors import UserError
from burnish.plan.manifest import TensorSpec

Array = np.ndarray[Any, Any]  # or a devices.DeviceArray, which has the same dtype, shape and nbytes
Adopt = Callable[[object, TensorSpec, str], Any]


def inputs_by_name(given: Any, named: Mapping[str, Any], specs: Sequence[TensorSpec]) -> Mapping[str, Any]:
    """A call's inputs: a mapping, keywords, or the array alone. E502 for more than one of these.

    specs: the inputs that have no default; the array alone is the only one of them
    """
    if given is None:
        return named
    if named:
        raise UserError(
            "E502",
            f"inputs are given in two ways: before the keywords, and as {_list(named)}",
            why="one of them would be dropped",
            hint="pass all of them in one mapping: engine({'x': array, 'any name': other})",
        )
    if isinstance(given, Mapping):
        return given
    if len(specs) != 1:
        raise UserError(
            "E502",
            f"a {type(given).__name__} was given without a name",
            why=f"the plan's inputs are {_list(s.name for s in specs)}",
            hint="pass every input by name: engine(x=array), or engine({'any name': array})",
        )
    return {specs[0].name: given}


def outputs_by_name(out: Any, specs: Sequence[TensorSpec]) -> Mapping[str, Any]:
    """The caller's buffers. E502 if it is not a mapping, or has a name that is not an output."""
    if not isinstance(out, Mapping):
        name = specs[0].name if specs else "name"
        raise UserError(
            "E502",
            f"out is a {type(out).__name__}, not a mapping by name",
            why=f"the plan's outputs are {_list(s.name for s in specs)}",
            hint=f"out={{'{name}': array}}",
        )
    refuse_names(out, specs, "output")
    return out


def accept_input(value: object, spec: TensorSpec, adopt: Adopt | None = None) -> Array:
    """A C-contiguous, aligned array of the input's dtype: the caller's own memory, or a copy if it is strided.

    adopt:  of the session; takes tensors that lie in its device's memory
    raises: E503 for another dtype; E507 for what is no array
    """
    array = as_array(value, spec, "input", adopt)
    if array.dtype != spec.dtype.numpy:
        raise UserError(
            "E503",
            f"input '{spec.name}' is {_dtype_name(array)}; the plan's is {spec.dtype.value}",
            where=_where(spec),
            why="Burnish casts nothing silently",
            hint=f"convert it yourself: array.astype(numpy.{spec.dtype.numpy})",
        )
    if isinstance(array, np.ndarray) and not (array.flags.c_contiguous and array.flags.aligned):
        array = np.require(np.array(array, order="C"), requirements=("C", "A"))
    return array


def accept_output(
    value: object,
    spec: TensorSpec,
    shape: tuple[int, ...],
    others: Iterable[Array] = (),
    adopt: Adopt | None = None,
) -> Array:
    """The caller's buffer for an output. E508 unless it is exactly what the plan will write.

    others: arrays of the same call. The plan may read them after it has written the output, so sharing bytes with
            one of them would change the answer
    """
    array = as_array(value, spec, "output", adopt)
    problem = ""
    if array.dtype != spec.dtype.numpy:
        problem = f"it is {_dtype_name(array)}; the output is {spec.dtype.value}"
    elif array.shape != shape:
        problem = f"it has shape {format_shape(array.shape)}; the output has {format_shape(shape)}"
    elif isinstance(array, np.ndarray) and not (array.flags.c_contiguous and array.flags.aligned):
        problem = "it is strided or not aligned"
    elif isinstance(array, np.ndarray) and not array.flags.writeable:
        problem = "it is read-only"
    elif any(_may_share(array, other) for other in others):
        problem = "it shares bytes with an input or another output of this call"
    if problem:
        raise UserError(
            "E508",
            f"the buffer given for output '{spec.name}' cannot hold it",
            where=_where(spec, "output"),
            why=problem,
            hint=f"pass numpy.empty({shape}, numpy.{spec.dtype.numpy}), or leave it out",
        )
    return array


def as_array(value: object, spec: TensorSpec, role: str = "input", adopt: Adopt | None = None) -> Array:
    """An array from a numpy array, a device tensor, or a host tensor that supports DLPack. E507 for other values."""
    if isinstance(value, np.ndarray):
        return value
    if adopt is not None and (adopted := adopt(value, spec, role)) is not None:
        return adopted  # type: ignore[no-any-return]
    why = f"it is a {type(value).__name__}, which has no __dlpack__"
    if isinstance(value, np.generic):
        return np.asarray(value)
    if hasattr(value, "__dlpack__"):
        try:
            return np.from_dlpack(value)
        except (BufferError, RuntimeError, TypeError, ValueError) as error:
            why = f"numpy cannot take it through DLPack: {error}"
    raise UserError(
        "E507",
        f"{role} '{spec.name}' is no array in this process's memory",
        where=_where(spec, role),
        why=why,
        hint="pass a numpy array, or a tensor on the CPU that speaks DLPack (torch: tensor.detach().cpu())",
    )


def _may_share(array: Array, other: Array) -> bool:
    if isinstance(array, np.ndarray) and isinstance(other, np.ndarray):
        return np.may_share_memory(array, other)
    if isinstance(array, np.ndarray) or isinstance(other, np.ndarray):
        return False
    return bool(array.address < other.address + other.nbytes and other.address < array.address + array.nbytes)


def refuse_names(
    given: Mapping[str, object], specs: Sequence[TensorSpec], role: str, may_miss: Container[str] = ()
) -> None:
    """E502 if a name is missing (inputs) or unknown; otherwise does nothing. may_miss: inputs with a default."""
    known = [s.name for s in specs]
    for name in given:
        if name not in known:
            raise UserError(
                "E502",
                f"the plan has no {role} '{name}'{_did_you_mean(name, known)}",
                why=f"its {role}s are {_list(known)}",
                hint="burnish inspect plan PLAN lists them",
            )
    missing = [name for name in known if name not in given and name not in may_miss]
    if role == "input" and missing:
        raise UserError(
            "E502",
            f"input{'s' if len(missing) > 1 else ''} {_list(missing)} not given",
            why=f"the plan's inputs are {_list(known)}",
            hint="pass every input: engine(x=array), or engine({'any name': array})",
        )


def _did_you_mean(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(str(name), known, 1, 0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"'{n}'" for n in names) or "none"


def _dtype_name(array: Array) -> str:
    return str(array.dtype) if array.dtype.isnative else f"{array.dtype} (the other byte order)"


def _where(spec: TensorSpec, role: str = "input") -> str:
    return f"{role} '{spec.name}' {spec.dtype.value}{format_shape(spec.shape)}"
