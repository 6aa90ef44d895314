"""The tools for writing an expansion: a call of an operator, which new nodes replace."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from burnish.errors import UserError
from burnish.importers.upgrade import TARGET_OPSET
from burnish.importers.upgrade.types import fill_types
from burnish.passes.rewrite.constants import Array, constant_array, new_initializer

DOMAIN = "com.microsoft"
V: TypeAlias = ir.Value
Results: TypeAlias = ir.Value | Sequence[ir.Value | None]
Make: TypeAlias = Callable[..., Results]


@dataclass(frozen=True)
class Expansion:
    """The operator's signature, and the function that writes it in ONNX's operators.

    needs:      of each input, whether it must be given
    is_open:    more inputs may follow; all of them must be given
    outputs:    the largest number of outputs
    attributes: the default of each; or its type if it has no default and must be given
    """

    needs: tuple[bool, ...]
    is_open: bool
    outputs: int
    attributes: Mapping[str, Any]
    make: Make


TABLE: dict[str, Expansion] = {}


def expands(op_type: str, outputs: int = 1, **attributes: Any) -> Callable[[Make], Make]:
    """Add the function to the table. Its parameters are the inputs; `V | None` marks optional ones."""

    def enter(make: Make) -> Make:
        assert op_type not in TABLE, f"{op_type} is expanded twice"
        given = list(inspect.signature(make).parameters.values())[1:]
        single = [p for p in given if p.kind is not p.VAR_POSITIONAL]
        needs = tuple("None" not in str(p.annotation) for p in single)
        TABLE[op_type] = Expansion(needs, len(single) < len(given), outputs, attributes, make)
        return make

    return enter


class Call:
    """`op` in an expansion: op.Relu(x) writes a node before the call and returns its output."""

    def __init__(
        self,
        node: ir.Node,
        name: str,
        imports: Mapping[str, int],
        expansion: Expansion,
        notes: list[str],
        numbers: Iterator[int],
    ) -> None:
        """numbers: one for each node that is written, so that values of calls of the same name have their own names."""
        self.node, self.name, self.imports, self._expansion, self._notes = node, name, imports, expansion, notes
        self._numbers = numbers

    def __getattr__(self, op_type: str) -> Callable[..., ir.Value]:
        return lambda *inputs, **attributes: self.write(op_type, inputs, **attributes)[0]

    def write(
        self,
        op_type: str,
        inputs: Sequence[ir.Value | None],
        _outputs: int = 1,
        _version: int = 0,
        _domain: str = "",
        **attributes: Any,
    ) -> Sequence[ir.Value]:
        """Write a node before the call. `_version`: the opset of its form; the newest if left out."""
        given = [ir.convenience.convert_attribute(k, v) for k, v in attributes.items() if v is not None]
        name = f"{self.node.name}/{op_type}"
        node = ir.Node(_domain, op_type, list(inputs), given, name=name, num_outputs=_outputs)
        node.version = _version or (self.imports.get(_domain, 1) if _domain else TARGET_OPSET)
        assert self.node.graph is not None
        number = next(self._numbers)
        for index, output in enumerate(node.outputs):
            output.name = f"{name}_output_{index}.{number}"
        self.node.graph.insert_before(self.node, node)
        fill_types(node, node.version, self.imports)
        return node.outputs

    def constant(self, content: Any, name: str, dtype: Any = None) -> ir.Value:
        assert self.node.graph is not None
        return new_initializer(self.node.graph, np.asarray(content, dtype=dtype), f"{self.node.name}/{name}")

    def attribute(self, name: str) -> Any:
        """The attribute's value, or its default."""
        found = self.node.attributes.get(name)
        return self._expansion.attributes[name] if found is None else found.value

    def attributes(self, *without: str) -> dict[str, Any]:
        """All attributes of the node, for an operator with the same attributes."""
        return {name: found.value for name, found in self.node.attributes.items() if name not in without}

    def array(self, value: ir.Value, what: str) -> Array:
        """The content of an input that must be a constant."""
        found = constant_array(value)
        if found is None:
            raise self.refuse(f"{what} is computed, not a constant")
        return found

    def rank(self, value: ir.Value) -> int:
        """The rank of an input that must be known."""
        if value.shape is None:
            raise self.refuse(f"the rank of {value.name} is not known")
        return len(value.shape)

    def note(self, text: str) -> None:
        """A note for the user about this call's answer; the plan keeps it."""
        self._notes.append(f"{self.node.op_type} '{self.node.name}': {text}")

    def refuse(self, why: str) -> UserError:
        return UserError(
            "E113",
            f"this form of {DOMAIN}.{self.node.op_type} cannot be written in ONNX's operators",
            where=f"{self.name}: node {self.node.name or self.node.op_type!r}",
            why=why,
            hint="give the model that ONNX Runtime's tool made this one from",
        )
