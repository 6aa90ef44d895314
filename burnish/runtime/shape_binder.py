"""An engine's shapes: the rules of its plan, and every set of input shapes that was bound by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from burnish.arguments import expect_mapping, parse_shape
from burnish.plan.manifest import Manifest, StepSpec
from burnish.runtime.arrays import refuse_names
from burnish.runtime.shapes import Bound, Shape, bind_shapes, shape_rules

MOST_BOUND = 256  # sets of input shapes an engine remembers


class ShapeBinder:
    """Shared by an engine and its contexts; threads may use it at the same time."""

    def __init__(self, manifest: Manifest, steps: Sequence[StepSpec] = ()) -> None:
        self.inputs, self.outputs = manifest.inputs, manifest.outputs
        self._rules = shape_rules(manifest, steps)
        self._bounds: dict[tuple[Shape, ...], Bound] = {}

    def bind(self, shapes: tuple[Shape, ...]) -> Bound:
        """Input shapes, in the inputs' order, checked and remembered. E504 .. E506, E509."""
        bound = self._bounds.get(shapes)
        if bound is None:
            bound = bind_shapes(self._rules, shapes)
            if len(self._bounds) >= MOST_BOUND:
                self._bounds.clear()
            self._bounds[shapes] = bound
        return bound

    def output_shapes(self, shapes: Mapping[str, Sequence[int] | str]) -> dict[str, Shape | None]:
        """The outputs' shapes for these input shapes; None where data decides. E502, E504 .. E506, E509, E602."""
        expect_mapping("shapes", shapes, '{"x": (1, 3, 224, 224)}')
        refuse_names(shapes, self.inputs, "input")
        bound = self.bind(tuple(parse_shape(shapes[t.name], f"input '{t.name}'") for t in self.inputs))
        return {t.name: shape for t, shape in zip(self.outputs, bound.outputs)}
