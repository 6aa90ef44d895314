"""Graph to program: every root of the fusion becomes a launch, a step, or another placement of the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar, cast

import onnx_ir as ir

from burnish.dims import symbols
from burnish.dtypes import DType
from burnish.kernels.abilities import Abilities
from burnish.kernels.name_axes import share_reductions
from burnish.kernels.task import Branch, Fail, Kernel, Launch, Step
from burnish.lower.buffers import Buffers, Layout
from burnish.lower.convolution import (
    add_term,
    convolution_body,
    has_template,
    is_deep,
    lower_convolution,
    phases,
    with_term,
)
from burnish.lower.epilogue import plain_body, spelled_out
from burnish.lower.fuse import Fusion, fuse
from burnish.lower.homes import Homes
from burnish.lower.images import Images
from burnish.lower.index_checks import Traces, add_index_checks, no_trace
from burnish.lower.kernels import Slots, loops_of, merged
from burnish.lower.layers import lower_attention, lower_recurrent, lower_trees
from burnish.lower.matmul import lower_matmul
from burnish.lower.placement import Placement, dense_strides, reshape, view
from burnish.lower.quantised import (
    Computed,
    as_quantised,
    computed_product,
    is_padded_in_memory,
    is_product,
    matmul_body,
    padded_by_data,
)
from burnish.lower.reference import lower_reference
from burnish.lower.scope import Body, Scope, StepForm, build_scope, is_constant
from burnish.lower.strips.convolutions import lower_run
from burnish.lower.strips.runs import Choice, Run, find_runs
from burnish.lower.strips.winograd import Transform, choose_within, lower_winograd
from burnish.lower.wants import Wants, collect_wants
from burnish.ops.branches import captured, sides_agree, sides_of
from burnish.ops.inference.infer import Inferred
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Attention, Concat, Conv, MatMul, Reshape, Tensor, Trees
from burnish.ops.language.expr import Axis, Expr, axis, free_axes, fresh_axis, substitute

P = TypeVar("P", MatMul, Conv)


@dataclass(eq=False)
class Lowering:
    """The state that all scopes of one program share."""

    inferred: Inferred
    buffers: Buffers
    opt: Mapping[str, int]
    opsets: Mapping[str, int]
    abilities: Abilities
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    workspace: int | None = None  # bytes that one tactic may need for itself; None: any number
    placements: dict[Tensor, Placement] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    declined: dict[str, str] = field(default_factory=dict)  # node -> why it was not fused
    traces: Traces = field(default_factory=lambda: Traces(0))


class ScopeLowering:
    """Lower one graph: fills `steps`. `outputs`: where its results must be (row-major)."""

    def __init__(
        self,
        shared: Lowering,
        graph: ir.Graph,
        outputs: Mapping[Tensor, Placement],
        outer: ScopeLowering | None = None,
    ) -> None:
        self.shared, self.buffers, self.placements = shared, shared.buffers, shared.placements
        self.scope: Scope = build_scope(graph, shared.inferred, shared.abilities.trees, shared.abilities.stores_float8)
        if shared.traces.most:
            add_index_checks(self.scope, shared.inferred)
        outputs = {**outputs, **{t: shared.traces.place(c, shared.buffers) for t, c in self.scope.checks.items()}}
        self.fusion: Fusion = fuse(
            self.scope, shared.opt, shared.abilities.adds_products and shared.abilities.pads_in_kernel
        )
        self.wants: Wants = collect_wants(self.scope, self.fusion, shared.buffers.from_data)
        self.abilities = shared.abilities
        self.homes = Homes(
            self.scope, self.fusion, self.wants, shared.buffers, shared.opt, shared.placements, outputs, self.abilities
        )
        self.outputs = outputs
        self.images = Images(self.homes, self.buffers, self.copy)
        # a sum that is rounded to a coarse grid must not differ by even one rounding at a tie
        self.is_quantised = any(node.op_type in ("QuantizeLinear", "DynamicQuantizeLinear") for node in graph)
        self.may_transform = self.abilities.winograd and not self.is_quantised
        how = Choice(shared.abilities, shared.opt, self.buffers.from_data, shared.workspace, self.may_transform)
        self.runs = find_runs(self.scope, self.fusion, self.wants, how)
        self.inner = {link.root for run in self.runs.values() for link in run.links[:-1]}  # chains do them
        self.steps: list[Step] = []
        self.required: set[object] = set(outer.required) if outer else set()
        self.unknown: set[str] = set(outer.unknown if outer else shared.inferred.from_data)  # symbols without a value
        for tensor, reason in self.fusion.declined.items():
            shared.declined[self.scope.node_name(tensor)] = reason

    def run(self) -> list[Step]:
        self.require()
        done: set[Tensor] = set()
        for root in self.fusion.roots:
            if root not in done and root not in self.inner:
                self.root(root)
                form = self.scope.forms[root]
                done |= {t for t in form.outputs if t is not None} if isinstance(form, StepForm) else {root}
        for tensor, into in self.outputs.items():
            if tensor not in self.scope.forms:  # a constant, an input or an outer value that is also an output
                self.copy(tensor, self.homes.placed(tensor), into, "output " + tensor.name)
            elif self.placements[tensor] != into:
                self.copy(tensor, self.placements[tensor], into, self.scope.node_name(tensor))
        return self.steps

    def require(self) -> None:
        """Add the requirements of this graph's nodes. Each is checked as soon as its symbols have values."""
        for node in dict.fromkeys(self.scope.nodes[t] for t in self.scope.order):
            for requirement in self.shared.inferred.requirements.get(node, ()):
                key = (requirement.left, requirement.right, requirement.rule)
                if key not in self.required and not requirement.symbols & self.unknown:
                    self.required.add(key)
                    self.steps.append(requirement)

    # ---- roots ------------------------------------------------------------------------------------------------

    def root(self, root: Tensor) -> None:
        form = self.scope.forms[root]
        if root in self.runs:
            self.chain(self.runs[root])
        elif isinstance(form, StepForm):
            self.step(root, form)
        elif isinstance(form, Reshape):
            self.reshape(root, form)
        elif isinstance(form, Concat):
            self.concat(root, form)
        elif isinstance(form, Attention):
            into = self.placements[root] = self.homes.destination(root)
            kernel, slots = lower_attention(form, into, self.homes.placed)
            self.launch(root, kernel, slots)
        elif isinstance(form, Trees):
            into = self.placements[root] = self.homes.destination(root)
            self.launch(root, *lower_trees(form, into, self.homes.placed, self.buffers))
        elif isinstance(form, Body) and form.is_view and root not in self.scope.outputs:
            self.view(root, form)
        else:
            self.compute(root)

    def view(self, root: Tensor, form: Body) -> None:
        load = form.expr
        found = None
        if isinstance(load.attr, Tensor):
            found = view(
                self.homes.placed(load.attr),
                root.shape,
                lambda index: [ex.substitute_axes(a, dict(zip(form.axes, index))) for a in load.args],
            )
        if found is not None:
            self.placements[root] = found
        else:
            self.compute(root)

    def reshape(self, root: Tensor, form: Reshape) -> None:
        source = self.homes.placed(form.source)
        found = reshape(source, root.shape)
        if found is None:
            packed = self.buffers.temporary(
                form.source.name, source.dtype, source.shape, Layout(tuple(range(len(source.shape))))
            )
            self.copy(form.source, source, packed, self.scope.node_name(root))
            found = Placement(packed.storage, packed.dtype, root.shape, dense_strides(root.shape))
        self.placements[root] = found

    def concat(self, root: Tensor, form: Concat) -> None:
        if root not in self.placements:
            self.placements[root] = self.homes.destination(root)
        for i, part in enumerate(form.parts):
            if self.wants.slices.get(part) != (root, i):
                self.copy(part, self.homes.placed(part), self.homes.part_of(root, i), self.scope.node_name(root))

    def compute(self, root: Tensor) -> None:
        template = self.fusion.epilogue.get(root)
        if template is None and isinstance(self.scope.forms[root], MatMul | Conv):
            template = root
        into = self.homes.destination(root)
        if template is None:
            name = root.name if root in self.scope.checks else ""
            self.loops(root, self.fusion.bodies[root], into, name)
        else:
            body = plain_body(root) if template is root else self.fusion.bodies[root]
            term = self.fusion.term.get(root)
            more = self.scope.forms[term] if term is not None else None
            if term is not None and isinstance(more, Conv):
                body = with_term(body, term, more, self.buffers)
            form = self.scope.forms[template]
            has_integers = self.abilities.integer_products
            if isinstance(form, MatMul) and form.dtype is DType.I32 and not has_integers:
                self.loops(root, spelled_out(template, body, partial(matmul_body, form)), into)
            elif isinstance(form, MatMul):
                form, computed = (form, None) if is_product(form, has_integers) else self.computed(form)
                place = self.homes.place, self.homes.placed_load
                self.launch(root, *lower_matmul(template, form, body, into, self.buffers, *place, computed))
            else:
                assert isinstance(form, Conv)
                self.convolution(root, template, form, body, into, more if isinstance(more, Conv) else None)
        self.placements[root] = into

    def convolution(
        self, root: Tensor, template: Tensor, form: Conv, body: Body, into: Placement, more: Conv | None = None
    ) -> None:
        in_kernel = self.abilities.pads_in_kernel
        can_pad = in_kernel or not any(symbols(n) & self.buffers.from_data for n in form.x.shape)
        if is_padded_in_memory(form, in_kernel):
            form, image, filled = padded_by_data(form)
            order = (0, *range(2, image.rank), 1)
            self.placements[image] = self.buffers.temporary(image.name, image.dtype, image.shape, Layout(order))
            self.loops(image, filled, self.placements[image], form.x.name)
        has_integers, computed = self.abilities.integer_products, None
        if has_integers and not is_product(form, True) and has_template(form, can_pad, is_computed=True):
            form, computed = self.computed(form)
        if has_template(form, can_pad, has_integers, computed is not None):
            weight = None if is_constant(form.weight) else self.homes.placed(form.weight)
            x = self.homes.placed(form.x) if in_kernel else self.images.padded(form, channels_last=is_deep(form))
            if self.may_transform and more is None and (transform := self.transform(root, form)) is not None:
                place, opt = self.homes.place, self.shared.opt if self.abilities.chains else None
                for part, kernel, slots in lower_winograd(
                    template, form, transform, body, x, into, self.buffers, place, opt
                ):
                    self.launch(root, kernel, slots, f"{self.scope.node_name(root)}/{part}")
                return
            for phase in phases(form):
                kernel, slots = lower_convolution(
                    template, form, phase, body, x, into, self.buffers, self.homes.place, in_kernel, computed, weight
                )
                if more is not None:
                    kernel = add_term(kernel, slots, more, self.homes.placed(more.x), self.buffers)
                self.launch(root, kernel, slots)
            return
        crops = min((*form.pads_begin, *form.pads_end), default=0) < 0
        in_place = can_pad and not in_kernel and not form.transposed and not crops
        source = self.images.padded(form, channels_last=True) if in_place else form.x
        self.loops(root, spelled_out(template, body, partial(convolution_body, form, source, self.buffers)), into)

    def computed(self, form: P) -> tuple[P, Computed]:
        """A product of codes with operands that a run tells, and the tensors that it needs."""
        found = computed_product(form)
        for operand, how in found.made:
            into = self.buffers.temporary(operand.name, operand.dtype, operand.shape, Layout(found.order_of(operand)))
            self.placements[operand] = into
            self.loops(operand, how, into, operand.name)
        return cast(P, found.form), found

    def chain(self, run: Run) -> None:
        """Convolutions as one chain; as a launch each where something fused into them does not follow their rows."""
        first, root, covers = run.links[0].form, run.links[-1].root, self.fusion.covers
        x = self.images.padded(first, channels_last=is_deep(first))
        into = self.homes.destination(root)
        found = lower_run(run, x, into, self.homes.order_in(into), self.buffers, self.homes.place)
        if found is None:
            for link in run.links:
                self.compute(link.root)
            return
        covers[root] = [t for link in reversed(run.links) for t in covers[link.root]]
        self.launch(root, *found)
        self.placements[root] = into

    def transform(self, root: Tensor, form: Conv) -> Transform | None:
        """The Winograd transform, if one pays and its tiles fit the workspace.

        A note says where the better one does not fit.
        """
        shared = self.shared
        found, note = choose_within(form, shared.opt, shared.ranges, shared.workspace, self.abilities.chains)
        if note:
            shared.notes.append(f"Conv '{self.scope.node_name(root)}' {note}")
        return found

    # ---- loops ------------------------------------------------------------------------------------------------

    def copy(self, tensor: Tensor, source: Placement, into: Placement, name: str) -> None:
        """into = source, element by element."""
        axes = tuple(fresh_axis(n, "a") for n in source.shape)
        body = Body(axes, ex.load(source, source.dtype, [axis(a) for a in axes]), True)
        self.loops(tensor, body, into, f"{name}/copy")

    def loops(self, root: Tensor, body: Body, into: Placement, name: str = "") -> None:
        domain = [body.axes[a] for a in self.homes.order_in(into)]
        units = {a: ex.const(0, DType.I64) for a in body.axes if a.extent == 1}
        value = self.extract_reductions(root, share_reductions(ex.substitute_axes(body.expr, units)), domain)
        kernel, slots = loops_of(body.axes, value, self.homes.order_in(into), into, self.homes.place)
        self.launch(root, merged(kernel), slots, name)

    def extract_reductions(self, root: Tensor, value: Expr, domain: Sequence[Axis]) -> Expr:
        """Give memory to a reduction that the loops would repeat because its axes are not the outermost ones."""
        real = [a for a in domain if a.extent != 1]

        def replace(e: Expr) -> Expr | None:
            if e.op != "reduce":
                return None
            free = {a for a in free_axes(e) if a.extent != 1}
            if not free <= set(real) or free == set(real[: len(free)]):
                return None
            axes = [a for a in real if a in free]
            partial = Tensor(f"{root.name}/reduced", e.dtype, tuple(a.extent for a in axes))
            inner = [fresh_axis(a.extent, "a") for a in axes]
            body = Body(tuple(inner), ex.substitute_axes(e, {a: axis(i) for a, i in zip(axes, inner)}), False)
            into = self.buffers.temporary(partial.name, e.dtype, partial.shape, Layout(tuple(range(len(axes)))))
            self.loops(partial, body, into, self.scope.node_name(root) + "/reduce")
            return ex.load(into, into.dtype, [axis(a) for a in axes])

        return substitute(value, replace)

    def launch(self, root: Tensor, kernel: Kernel, slots: Slots, name: str = "") -> None:
        if 0 in root.shape:
            return  # it has no element
        nodes = tuple(dict.fromkeys(self.scope.node_name(t) for t in reversed(self.fusion.covers.get(root, []))))
        title = name or (nodes[-1] if nodes else root.name)
        tensors = tuple(None if p.storage in self.buffers.geometry else p.slot for p in slots.placements)
        is_tuned = all(p.storage != self.shared.traces.storage for p in slots.placements)
        if self.is_quantised:
            kernel = as_quantised(kernel, self.abilities.quotients, slots.placements, self.buffers.constants)
        written = tuple(sorted(slots.written))
        self.steps.append(Launch(kernel, slots.bindings, written, title, nodes, tensors, is_tuned, root.name))

    # ---- steps of several outputs -----------------------------------------------------------------------------

    def step(self, root: Tensor, form: StepForm) -> None:
        if form.recurrent is not None and self.abilities.recurrent:
            outputs: list[Placement | None] = []
            for spec, tensor in zip(form.recurrent.outputs, form.outputs):
                if spec is None or tensor is None:
                    outputs.append(None)
                    continue
                into = self.placements[tensor] = self.homes.destination(tensor)
                outputs.append(into)
            kernel, slots = lower_recurrent(form.recurrent, outputs, self.homes.placed)
            self.launch(root, kernel, slots)
        elif form.node.op_type == "If" and sides_agree(form.node, self.shared.inferred):
            self.steps.append(self.branch(form))
        else:
            for tensor in form.outputs:
                if tensor is not None:
                    self.placements[tensor] = self.outputs.get(tensor) or self.buffers.dense("arena", tensor)
            self.steps.append(
                lower_reference(
                    form, self.dense_source, self.placements, self.scope.node_name(root), self.shared.opsets
                )
            )
            self.unknown -= {name for t in form.outputs if t is not None for n in t.shape for name in symbols(n)}
            self.require()

    def dense_source(self, tensor: Tensor) -> Placement:
        """A row-major copy where the tensor is not row-major already."""
        source = self.homes.placed(tensor)
        if source.is_dense:
            return source
        into = self.buffers.dense("arena", tensor)
        self.copy(tensor, source, into, tensor.name)
        return into

    def branch(self, form: StepForm) -> Branch:
        for tensor in form.outputs:
            assert tensor is not None
            self.placements[tensor] = self.outputs.get(tensor) or self.buffers.dense("arena", tensor)
        for value in captured(form.node):
            self.placed_or_constant(value)
        sides: list[tuple[Step, ...]] = []
        traces = self.shared.traces
        known = len(traces.checks)
        for graph in sides_of(form.node):
            if (reason := self.shared.inferred.impossible.get(graph)) is not None:
                sides.append((Fail(form.node.name or "If", reason),))
                continue
            inner = [self.shared.inferred.tensors[v] for v in graph.outputs]
            into = {t: self.placements[o] for t, o in zip(inner, form.outputs) if o is not None}
            sides.append(tuple(ScopeLowering(self.shared, graph, into, self).run()))
        for place in range(known, len(traces.checks)):
            name = f"{form.node.name}/no index check"
            self.loops(Tensor(name, DType.I64, (1,)), no_trace(), traces.at(place), name)
        condition = form.inputs[0]
        assert condition is not None
        return Branch(form.node.name or "If", self.homes.placed(condition).binding, sides[0], sides[1])

    def placed_or_constant(self, value: ir.Value) -> None:
        tensor = self.shared.inferred.tensors[value]
        if tensor not in self.placements and is_constant(tensor):
            self.placements[tensor] = self.buffers.constant_tensor(tensor)
