"""The passes in the order in which they run; one line for each, with its reason."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import onnx_ir as ir

from burnish.dims import bounds, symbols
from burnish.ops.inference.infer import infer
from burnish.passes import (
    cancel_reshapes,
    cancel_transposes,
    canonicalize,
    forward_slices,
    gather_to_slice,
    measure_filled,
    remove_no_ops,
    scatter_to_concat,
    sink_reshapes,
    transpose_to_reshape,
)
from burnish.passes.canonicalize_clip import CanonicalizeClip, MergeClips
from burnish.passes.channels.drop_dead_channels import drop_dead_channels
from burnish.passes.dequantize_weights import dequantize_weights
from burnish.passes.drop_repeats import DropRepeat
from burnish.passes.fold_batch_norm import FoldBatchNorm, SplitBatchNorm
from burnish.passes.fold_branches import fold_branches
from burnish.passes.fold_constants import fold_constants
from burnish.passes.fold_pad import FoldPad
from burnish.passes.fold_scale_into_weights import FoldScaleIntoWeights
from burnish.passes.fold_shapes import fold_shapes
from burnish.passes.fuse_attention import FuseAttention
from burnish.passes.fuse_bias import FuseBias
from burnish.passes.fuse_gelu import FuseGelu
from burnish.passes.fuse_hard_swish import FuseHardSigmoid, FuseHardSwish
from burnish.passes.fuse_layer_norm import FuseLayerNorm
from burnish.passes.fuse_rms_norm import FuseRmsNorm
from burnish.passes.fuse_silu import FuseSilu
from burnish.passes.fuse_softmax import FuseSoftmax
from burnish.passes.gather_rows import gather_rows
from burnish.passes.lift_constants import lift_constants
from burnish.passes.merge_equal import merge_equal
from burnish.passes.merge_products import MergeProducts
from burnish.passes.move_into_sides import move_into_sides
from burnish.passes.narrow_mask import NarrowMask, NarrowMaskOfCodes
from burnish.passes.qlinear_to_integer import QLinearToInteger
from burnish.passes.quantised import sink_dequantize
from burnish.passes.quantised.attention_to_codes import AttentionIntoCodes, AttentionToCodes, SoftmaxToCodes
from burnish.passes.quantised.drop_requantisation import RULES as DROPS
from burnish.passes.quantised.fold_scale_into_quantize import FoldScaleIntoQuantize
from burnish.passes.quantised.lift_float8 import LiftFloat8
from burnish.passes.quantised.lift_quantize import LiftQuantize
from burnish.passes.quantised.merge_float8 import MergeFloat8, MergeFloat8OfCodes
from burnish.passes.quantised.merge_scales import MergeScales
from burnish.passes.quantised.pack_tables import PackTables
from burnish.passes.quantised.pack_weights import PackWeights
from burnish.passes.quantised.product_to_float8 import ProductToFloat8
from burnish.passes.quantised.product_to_integers import ProductToIntegers
from burnish.passes.quantised.raise_dequantize import RaiseDequantize
from burnish.passes.quantised.split_dynamic_quantize import SplitDynamicQuantize
from burnish.passes.quantised.split_transposed_conv import SplitTransposedConv
from burnish.passes.quantised.tabulate_codes import TabulateCodes
from burnish.passes.read_sizes import read_sizes
from burnish.passes.remove_unused import remove_unused
from burnish.passes.rewrite.check_graph import check_graph, surfaces
from burnish.passes.rewrite.context import PassContext, PassReport, PassRow
from burnish.passes.rewrite.rule import Rule, apply_rules
from burnish.passes.sink_casts import SinkCast
from burnish.passes.sink_constant import SinkConstant
from burnish.passes.sink_into_concat import SinkIntoConcat
from burnish.passes.specialize import specialize
from burnish.passes.stride_to_channels import StrideToChannels
from burnish.passes.unroll_loops import unroll_loops
from burnish.settings import settings

MAX_REPEATS = 8


@dataclass(frozen=True)
class Pass:
    """One transformation: changes the model in place, returns how many changes it made (0: nothing to do).

    members: its rewrite rules, if it consists of rules
    """

    name: str
    reason: str
    run: Callable[[ir.Model, PassContext], int]
    members: tuple[Rule, ...] = ()


@dataclass(frozen=True)
class Repeat:
    """Passes that enable each other: they run in turn until none of them changes anything.

    when: whether they run at all
    """

    name: str
    passes: tuple[Pass, ...]
    when: Callable[[ir.Model, PassContext], bool] = lambda model, context: True


def rules(name: str, reason: str, *members: Rule) -> Pass:
    """A pass that applies rewrite rules everywhere until none applies."""

    def run(model: ir.Model, context: PassContext) -> int:
        return apply_rules(model.graph, members, context.report)

    return Pass(name, reason, run, members)


def _deepen_images(model: ir.Model, context: PassContext) -> int:
    return apply_rules(model.graph, DEEPEN, context.report) if context.deep_images else 0


def _spell_out_qlinear(model: ir.Model, context: PassContext) -> int:
    return apply_rules(model.graph, QLINEAR, context.report) if context.integer_products else 0


def _pack_weights(model: ir.Model, context: PassContext) -> int:
    return apply_rules(model.graph, PACK, context.report) if context.blocked_weights else 0


def _multiply_integers(model: ir.Model, context: PassContext) -> int:
    """ProductToIntegers, told the most that each symbolic dimension may be."""

    @functools.cache
    def limits() -> dict[str, int]:
        found = infer(model.graph, sizes=context.sizes).tensors.values()
        dims = {d for t in found for d in t.shape if not isinstance(d, int) and symbols(d) <= context.sizes.keys()}
        return {str(d): bounds(d, context.sizes)[1] for d in dims}

    rule = ProductToIntegers(lambda dim: limits().get(dim))
    return apply_rules(model.graph, (rule,), context.report)


DEEPEN = (StrideToChannels(),)
PRODUCTS = (ProductToIntegers(),)
PACK = (PackWeights(), PackTables())
QLINEAR = (QLinearToInteger(),)


CLEAN = Repeat(
    "clean",
    (
        Pass("lift_constants", "one form of a constant for all passes", lift_constants),
        Pass("fold_branches", "an If that is decided is not an If", fold_branches),
        Pass("fold_shapes", "shapes for all passes; shape arithmetic that is known is done here", fold_shapes),
        rules("measure_filled", "a tensor of open rank has no place in a plan; its shape has", *measure_filled.RULES),
        Pass("gather_rows", "a sequence of rows has no place in a plan; a Loop stacks them by itself", gather_rows),
        Pass("fold_constants", "what depends on constants alone is computed once, here", fold_constants),
        Pass("unroll_loops", "a loop of known trips becomes nodes that fold, fuse and have kernels", unroll_loops),
        rules("remove_no_ops", "identities, dropout, casts and views that change nothing", *remove_no_ops.RULES),
        rules("canonicalize", "one form for what can be said in several, for the patterns below", *canonicalize.RULES),
        rules("cancel_transposes", "exporters change layout back and forth", *cancel_transposes.RULES),
        rules("cancel_reshapes", "and flatten what they unflatten", *cancel_reshapes.RULES),
        Pass("merge_equal", "exporters repeat subexpressions", merge_equal),
        Pass("remove_unused", "what nothing reads is not computed", remove_unused),
    ),
)

FINISH = Repeat(
    "finish",
    (
        rules("scatter_to_concat", "assignments to slices, as exporters write them", *scatter_to_concat.RULES),
        rules("gather_to_slice", "a constant place is a slice", *gather_to_slice.RULES),
        rules("forward_slices", "a slice reads from where its elements come from", *forward_slices.RULES),
        rules("transpose_to_reshape", "moving axes of size 1 moves nothing", *transpose_to_reshape.RULES),
        rules("drop_repeats", "what is broadcast anyway need not be repeated first", DropRepeat()),
        rules("sink_constants", "a constant joins the kernel before the views", SinkIntoConcat(), SinkConstant()),
        rules("fold_sunk_constants", "or the weights of that kernel", FoldScaleIntoWeights(), FuseBias()),
        rules("sink_casts", "a cast joins what reads the elements that are picked", SinkCast()),
        rules("sink_reshapes", "pointwise work joins what computes its input", *sink_reshapes.RULES),
        *CLEAN.passes,
    ),
)


QUANTISES = ("DequantizeLinear", "DynamicQuantizeLinear")


def _has_integers(model: ir.Model, context: PassContext) -> bool:
    """Is the model quantised, and the target fast at products of integers?"""
    return context.integer_products and any(n.op_type in QUANTISES for n in model.graph.all_nodes())


INTEGERS = Repeat(
    "integers",
    (
        rules("split_dynamic_quantize", "the range of the data is found once, in vectors", SplitDynamicQuantize()),
        rules("sink_dequantize", "what moves elements moves codes as well", *sink_dequantize.RULES),
        rules("lift_quantize", "and before it is quantised", LiftQuantize()),
        rules("drop_requantisation", "codes that come back as they were; clips that codes imply", *DROPS),
        rules("split_transposed", "a transposed convolution of codes is a convolution", SplitTransposedConv()),
        Pass(
            "integer_products", "sums of codes are exact, and faster than sums of numbers", _multiply_integers, PRODUCTS
        ),
        rules("merge_scales", "a scale and a shift per channel, as batch normalisation leaves them", MergeScales()),
        rules("fold_scales", "a sum of codes becomes codes by one factor", FoldScaleIntoQuantize()),
        rules("tabulate_codes", "a look-up is cheaper than what makes codes of codes", TabulateCodes()),
        *CLEAN.passes,
    ),
    _has_integers,
)


def _has_float8(model: ir.Model, context: PassContext) -> bool:
    """Is the model quantised, and the target fast at products of float8?"""
    return context.float8 and any(n.op_type in QUANTISES for n in model.graph.all_nodes())


FLOAT8 = Repeat(
    "float8",
    (
        rules("lift_float8", "what computes numbers stores their codes", LiftFloat8()),
        rules("float8_products", "float8 is multiplied as it is", ProductToFloat8()),
        rules("float8_attention", "and attended to", SoftmaxToCodes(), AttentionToCodes(), AttentionIntoCodes()),
        rules("narrow_mask_of_codes", "a mask that is the same for every query is one row", NarrowMaskOfCodes()),
        rules(
            "merge_float8",
            "queries, keys and values are one product, where they have one input",
            MergeFloat8(),
            MergeFloat8OfCodes(),
        ),
        *CLEAN.passes,
    ),
    _has_float8,
)

Passes = tuple[Pass | Repeat, ...]
PORTABLE: Passes = (  # the same for every target: what calibration observes, and quantises
    Pass("specialize", "dimensions that the caller fixes become numbers", specialize),
    CLEAN,
    Pass("move_into_sides", "a plan's memory needs ranks, and a side of an If knows its own", move_into_sides),
    Pass("read_sizes", "a size from data is read once, so that what it sizes has a kernel", read_sizes),
    rules("fold_pad", "convolutions and pools pad by themselves", FoldPad()),
    rules("fold_batch_norm", "its statistics are constants: weights take them", FoldBatchNorm(), SplitBatchNorm()),
    rules("fold_into_weights", "so do scales and biases after a linear node", FoldScaleIntoWeights(), FuseBias()),
    rules("canonicalize_clip", "one clip for all that clips, which the gates need", CanonicalizeClip(), MergeClips()),
    rules("fuse_norms", "one row kernel for six to nine nodes", FuseLayerNorm(), FuseRmsNorm()),
    rules("fuse_gates", "one expression for an activation", FuseGelu(), FuseHardSigmoid(), FuseHardSwish(), FuseSilu()),
    Pass("drop_dead_channels", "what pruning left of a channel is 0, and is read for nothing", drop_dead_channels),
    rules("fuse_softmax", "one row kernel; attention needs it", FuseSoftmax()),
    rules("fuse_attention", "scores are never stored", FuseAttention()),
    rules("narrow_mask", "a mask that is the same for every query is one row", NarrowMask()),
    rules("merge_products", "queries, keys and values are one product, where they have one input", MergeProducts()),
    FINISH,
)

_WITH_ATTENTION = ("fuse_attention", "narrow_mask", "merge_products")
SPELLED_OUT: Passes = tuple(p for p in PORTABLE if p.name not in _WITH_ATTENTION[:2])  # few tools run Attention
FUSE_ATTENTION: Passes = tuple(p for p in PORTABLE if p.name in _WITH_ATTENTION)  # what SPELLED_OUT left

FOR_TARGET: Passes = (
    Pass("deepen_images", "matrix units want many channels, and a strided image has few", _deepen_images, DEEPEN),
    Pass(
        "qlinear_to_integer", "integer products have kernels, and fuse with what follows", _spell_out_qlinear, QLINEAR
    ),
    INTEGERS,
    Pass("deepen_codes", "images of codes likewise, once their products are known", _deepen_images, DEEPEN),
    FLOAT8,
    rules("raise_dequantize", "products of f32 read numbers where codes would be stored", RaiseDequantize()),
    Pass("pack_weights", "weights and tables of few bits are read as they are", _pack_weights, PACK),
    Pass("dequantize_weights", "what is left of quantised weights has no kernel", dequantize_weights),
)

PIPELINE: Passes = (*PORTABLE, *FOR_TARGET)


def optimize(model: ir.Model, context: PassContext | None = None, pipeline: Passes = PIPELINE) -> PassReport:
    """Run the pipeline on a model, in place; the answers stay the same.

    returns: the report: a row for each pass that ran, and the reasons why rules declined
    raises:  E910 if rules never stop rewriting, E912 (with BURNISH_DEBUG=1) if a pass breaks the graph: bugs of ours
    """
    context = context or PassContext()
    _note_names(model, context.report)
    for entry in pipeline:
        if isinstance(entry, Pass):
            _run(entry, model, context)
            continue
        for _ in range(MAX_REPEATS if entry.when(model, context) else 0):
            if not sum(_run(member, model, context) for member in entry.passes):
                break
    _note_names(model, context.report)
    return context.report


def each_pass(pipeline: Passes = PIPELINE) -> Iterator[Pass]:
    """Every pass once, in order."""
    yield from dict.fromkeys(p for entry in pipeline for p in ((entry,) if isinstance(entry, Pass) else entry.passes))


def _note_names(model: ir.Model, report: PassReport) -> None:
    report.nodes.update(node.name or node.op_type for node in model.graph.all_nodes())


def count_nodes(model: ir.Model) -> int:
    """Nodes of the graph and all its subgraphs."""
    return sum(1 for _ in model.graph.all_nodes())


def _run(member: Pass, model: ir.Model, context: PassContext) -> int:
    surface, rows = surfaces(model) if settings().debug else (), context.report.rows
    before = rows[-1].nodes_after if rows else count_nodes(model)
    start = time.perf_counter_ns()
    changes = member.run(model, context)
    elapsed = time.perf_counter_ns() - start
    if settings().debug:
        check_graph(model, surface, member.name)
    if changes:
        context.after_pass(member.name, model)
    after = count_nodes(model) if changes else before  # counting takes longer than a pass that finds nothing
    rows.append(PassRow(member.name, member.reason, changes, before, after, elapsed))
    return changes
