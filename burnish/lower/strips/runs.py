"""Which convolutions that follow one another become a chain, and how many rows a strip has.

A chain costs the rows that two strips compute, and threads that wait for the last strip; it saves memory traffic.
All of it is counted in the flops that a core does meanwhile (kernels/work.py has the same unit).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from burnish.dims import product, symbols
from burnish.kernels.abilities import Abilities
from burnish.kernels.usual_size import usual_size
from burnish.lower.convolution import has_template, is_depthwise, phases
from burnish.lower.epilogue import plain_body
from burnish.lower.fuse import Fusion, epilogue_index
from burnish.lower.quantised import pad_of
from burnish.lower.scope import Body, Scope, is_constant, sources
from burnish.lower.strips.winograd import choose_transform
from burnish.lower.wants import Wants, needed_zeros
from burnish.ops.language.definition import Conv, Tensor
from burnish.ops.language.expr import Axis, free_axes, linear, walk

MOST_LINKS = 4  # of a chain: the rows computed twice add up
MOST_STRIP_BYTES = 1000 << 10  # what a strip hands on: larger strips compute fewer rows twice
# For a byte that is written and read, in memory or in the cache of all cores: another core may have written it, and a
# launch less is a barrier less. Measured on two Zen 4 cores (benchmarks/README.md).
FLOP_PER_BYTE = 15.0
DEPTHWISE = 2.0  # as long as the same flops of a matrix product
FEWEST_STRIPS = 6  # for the threads to share
LEAST_GAIN = 1 << 19  # flops, 5 us of a core: short kernels are those of one thread, which waits for none


@dataclass(frozen=True, eq=False)
class Link:
    """A convolution with what is fused behind it."""

    root: Tensor
    template: Tensor
    form: Conv
    body: Body

    @property
    def height(self) -> int:
        return int(self.form.shape[2])  # type: ignore[arg-type]

    @property
    def taps(self) -> int:
        """The rows from the first to the last one that an output row reads."""
        return (int(self.form.weight.shape[2]) - 1) * self.form.dilations[0] + 1  # type: ignore[arg-type]

    @property
    def flops(self) -> float:
        """Of one image."""
        of_weight, of_result = (product(shape[1:]) for shape in (self.form.weight.shape, self.form.shape))
        assert isinstance(of_weight, int) and isinstance(of_result, int)
        return 2.0 * of_weight * of_result * (DEPTHWISE if is_depthwise(self.form) else 1.0)

    @property
    def row_bytes(self) -> int:
        """Of its result."""
        _, channels, _, width = (int(n) for n in (1, *self.form.shape[1:]))  # type: ignore[arg-type]
        return channels * width * self.root.dtype.size_bytes


@dataclass(frozen=True)
class Run:
    """The convolutions of a chain, and the rows of each that a strip needs."""

    links: tuple[Link, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Choice:
    """What the choice rests on.

    opt: the profile's opt value of every symbol; from_data: symbols that only a run tells; may_transform: is Winograd
    allowed?
    """

    abilities: Abilities
    opt: Mapping[str, int]
    from_data: frozenset[str]
    workspace: int | None
    may_transform: bool


def find_runs(scope: Scope, fusion: Fusion, wants: Wants, choice: Choice) -> dict[Tensor, Run]:
    """The chains that pay, by their last root."""
    if not choice.abilities.chains:
        return {}
    found_links = (_link(root, scope, fusion, choice) for root in fusion.roots)
    links = {link.root: link for link in found_links if link is not None}
    readers = _readers(scope, fusion)
    found: dict[Tensor, Run] = {}
    for sequence in _sequences(links, scope, wants, readers):
        for run in best_runs(sequence, choice.opt, choice.workspace):
            found[run.links[-1].root] = run
    return found


def _link(root: Tensor, scope: Scope, fusion: Fusion, choice: Choice) -> Link | None:
    """The root's convolution, if it has rows that a chain can cut."""
    template = fusion.epilogue.get(root, root)
    form = scope.forms[template]
    if not isinstance(form, Conv) or root in fusion.term or root.rank != 4 or root.shape != template.shape:
        return None
    if form.transposed or not all(isinstance(n, int) for n in (*form.x.shape[1:], *form.shape[1:])):
        return None
    if min(int(n) for n in form.shape[1:]) < 1 or int(form.shape[2]) < 2:  # type: ignore[arg-type]
        return None
    if pad_of(form) is None or min(*form.pads_begin, *form.pads_end) < 0 or len(phases(form)) != 1:
        return None
    if symbols(form.shape[0]) & choice.from_data or not _has_kernel(form, choice):
        return None
    if choice.may_transform and choose_transform(form, choice.opt, choice.abilities.chains) is not None:
        return None
    body = plain_body(root) if template is root else fusion.bodies[root]
    positions, _ = epilogue_index(body, template)
    is_same = all(positions.get(a, n) == n for n, a in enumerate(body.axes))
    return Link(root, template, form, body) if is_same and _follows(body.axes[2], body) else None


def _has_kernel(form: Conv, choice: Choice) -> bool:
    """Has it a kernel with zeros in memory, where its taps are known?"""
    is_known = is_depthwise(form) and is_constant(form.weight)
    return is_known or has_template(form, True, choice.abilities.integer_products)


def _follows(row: Axis, body: Body) -> bool:
    """Is everything that is fused behind a convolution read along a line as the rows go on?"""
    indexes = [i for e in walk(body.expr) if e.op == "load" for i in e.args]
    return all(linear(i) is not None for i in indexes if row in free_axes(i))


def _readers(scope: Scope, fusion: Fusion) -> dict[Tensor, list[Tensor]]:
    """The roots that read each tensor; one that reads it in two ways, twice."""
    found: dict[Tensor, list[Tensor]] = {}
    for root in fusion.roots:
        of_templates = [scope.forms[t] for t in (fusion.epilogue.get(root), fusion.term.get(root)) if t is not None]
        forms = [fusion.bodies.get(root, scope.forms[root]), *of_templates]
        for form in forms:
            for source in sources(form):
                found.setdefault(source, []).append(root)
    return found


def _sequences(
    links: Mapping[Tensor, Link], scope: Scope, wants: Wants, readers: Mapping[Tensor, Sequence[Tensor]]
) -> Iterator[list[Link]]:
    """Links each of which alone reads the one before, as long as possible."""
    elsewhere = {*scope.outputs, *scope.checks, *wants.slices, *wants.viewed_slices, *wants.orders}
    after = {
        link.form.x: link
        for link in links.values()
        if link.form.x in links and readers[link.form.x] == [link.root] and link.form.x not in elsewhere
    }
    for link in links.values():
        if link.form.x in after:  # it is no first one
            continue
        sequence = [link]
        while (following := after.get(sequence[-1].root)) is not None:
            sequence.append(following)
        if len(sequence) > 1:
            yield sequence


def best_runs(links: Sequence[Link], opt: Mapping[str, int], workspace: int | None = None) -> list[Run]:
    """The runs of these links that save most together."""
    best: list[tuple[float, tuple[Run, ...]]] = [(0.0, ())] * (len(links) + 1)
    for end in range(1, len(links) + 1):
        best[end] = best[end - 1]
        for begin in range(max(0, end - MOST_LINKS), end - 1):
            gain, run = best_run(links[begin:end], opt, workspace)
            if run is not None and best[begin][0] + gain > best[end][0]:
                best[end] = (best[begin][0] + gain, (*best[begin][1], run))
    return list(best[-1][1])


def best_run(links: Sequence[Link], opt: Mapping[str, int], workspace: int | None) -> tuple[float, Run | None]:
    """The gain of a chain of all these links, in flops of a core, and its rows; None where there is no gain."""
    images = max(1, usual_size(links[0].form.shape[0], opt))
    saved = FLOP_PER_BYTE * images * sum(link.height * link.row_bytes for link in links[:-1])
    most = MOST_STRIP_BYTES if workspace is None else min(MOST_STRIP_BYTES, workspace)
    best: tuple[float, Run | None] = (LEAST_GAIN, None)
    for size in range(1, links[-1].height + 1):
        rows = rows_of_strip(links, size)
        strips = images * -(-links[-1].height // size)
        if strips < FEWEST_STRIPS or strip_bytes(links, rows) > most:
            continue
        work = sum(strips * n / link.height * link.flops for link, n in zip(links, rows))
        waiting = (-(-strips // 2) * 2 + -(-strips // 4) * 4) / (2 * strips)
        gain = saved - (work * waiting - images * sum(link.flops for link in links))
        if gain > best[0]:
            best = (gain, Run(tuple(links), rows))
    return best


def rows_of_strip(links: Sequence[Link], size: int) -> tuple[int, ...]:
    """The rows of each result that `size` rows of the last one need."""
    rows = [size]
    for link, before in zip(links[:0:-1], links[-2::-1]):
        rows.insert(0, min(before.height, (rows[0] - 1) * link.form.strides[0] + link.taps))
    return tuple(rows)


def strip_bytes(links: Sequence[Link], rows: Sequence[int]) -> int:
    """What a strip hands on, and the zeros around it."""
    total = 0
    for link, following, n in zip(links, links[1:], rows):
        pads = sum(sum(p) for p in needed_zeros(following.form)[:1])
        total += (n + pads) * link.row_bytes
    return total
