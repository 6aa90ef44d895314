"""Outputs of classifiers that are not numeric tensors: which tensor a plan computes instead, and how it is shown.

ZipMap(scores) -> a sequence of maps        scores, shown as a list of dicts
a label that is one of several strings      its number, shown as the string
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from burnish.errors import UserError
from burnish.plan.manifest import Presentation

ML = "ai.onnx.ml"
LABELS = {
    "LinearClassifier": "classlabels_ints",
    "SVMClassifier": "classlabels_ints",
    "TreeEnsembleClassifier": "classlabels_int64s",
}


def present_outputs(proto: onnx.ModelProto, name: str) -> tuple[Presentation, ...]:
    """Rewrite the graph in place. Returns how its outputs are shown.

    raises:  E211 for maps elsewhere, which a plan's memory cannot hold
    """
    graph = proto.graph
    shown = [*_zip_maps(graph), *_string_labels(graph)]
    told = [info for info in graph.value_info if not _holds_map(info.type)]
    del graph.value_info[:]
    graph.value_info.extend(told)
    for kind, infos in (("input", graph.input), ("output", graph.output)):
        for info in infos:
            if _holds_map(info.type):
                raise UserError(
                    "E211",
                    f"{kind} '{info.name}' cannot be an {kind} of a plan",
                    where=f"{name}: {kind} '{info.name}'",
                    why="it is a map; of maps, a plan gives only what a ZipMap makes of a tensor, as an output",
                    hint="move that part of the model into pre- or post-processing",
                )
    return tuple(shown)


def note_of(shown: Presentation) -> str:
    """The note in the plan about an output's form."""
    keys = ", ".join(map(str, shown.keys[:4])) + (" ..." if len(shown.keys) > 4 else "")
    form = "a list of dicts, one a row, with the keys" if shown.form == "maps" else "an array of"
    return f"output '{shown.output}' is {form} {keys}; where a buffer is asked for, it is its tensor"


def _zip_maps(graph: onnx.GraphProto) -> Iterator[Presentation]:
    outputs = {info.name: info for info in graph.output}
    for node in graph.node:
        if node.op_type != "ZipMap" or node.domain != ML or len(node.output) != 1 or node.output[0] not in outputs:
            continue
        keys: tuple[int | str, ...] = _integers(node, "classlabels_int64s") or _strings(node, "classlabels_strings")
        info = outputs[node.output[0]]
        info.type.CopyFrom(onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None))
        node.op_type, node.domain = "Identity", ""
        del node.attribute[:]
        yield Presentation(info.name, "maps", keys)


def _string_labels(graph: onnx.GraphProto) -> Iterator[Presentation]:
    """A classifier's first output, directly or through Identity nodes, if nothing else reads it."""
    outputs = {info.name: info for info in graph.output}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for value in node.input:
            readers.setdefault(value, []).append(node)
    for node in graph.node:
        keys = _strings(node, "classlabels_strings")
        if node.domain != ML or node.op_type not in LABELS or not keys or not node.output:
            continue
        values = [node.output[0]]
        while len(following := readers.get(values[-1], [])) == 1 and following[0].op_type == "Identity":
            values.append(following[0].output[0])
        shown = [value for value in values if value in outputs]
        if not shown or readers.get(values[-1]):
            continue
        kept = [a for a in node.attribute if a.name != "classlabels_strings"]
        numbers = onnx.helper.make_attribute(LABELS[node.op_type], list(range(len(keys))))
        del node.attribute[:]
        node.attribute.extend([*kept, numbers])
        for value in shown:
            outputs[value].type.tensor_type.elem_type = onnx.TensorProto.INT64
            yield Presentation(value, "names", keys)
        for info in graph.value_info:
            if info.name in values:
                info.type.tensor_type.elem_type = onnx.TensorProto.INT64


def _holds_map(found: onnx.TypeProto) -> bool:
    kind = found.WhichOneof("value")
    if kind in ("sequence_type", "optional_type"):
        return _holds_map(getattr(found, kind).elem_type)
    return bool(kind == "map_type")


def _strings(node: onnx.NodeProto, name: str) -> tuple[str, ...]:
    return tuple(s.decode("utf-8", "replace") for a in node.attribute if a.name == name for s in a.strings)


def _integers(node: onnx.NodeProto, name: str) -> tuple[int, ...]:
    return tuple(i for a in node.attribute if a.name == name for i in a.ints)
