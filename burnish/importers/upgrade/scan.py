"""Scan-8 had a batch axis: it is a Scan-9 over the batch of a Scan-9 over the sequence.

scan_8(states[B, ...], inputs[B, T, ...]) = scan_9(over B: scan_9(over T: body))
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.importers.upgrade.convert import refuse, set_input, take


def scan_9(node: ir.Node, name: str) -> None:
    if node.inputs[0] is not None:
        raise refuse(node, name, "Scan of opset 8 with sequence lengths", "every batch entry must have all steps")
    body, count = node.attributes["body"].as_graph(), node.attributes["num_scan_inputs"].as_int()
    directions = take(node, "directions")
    given = [v for v in node.inputs[1:] if v is not None]
    states, inner_inputs = len(given) - count, []
    for i, (outer, step) in enumerate(zip(given, body.inputs, strict=True)):
        element = ir.Value(name=f"{node.name}/batch_{outer.name}", type=outer.type)
        if i < states and step.shape is not None:
            element.shape = step.shape.copy()
        elif outer.shape is not None:
            element.shape = ir.Shape(list(outer.shape)[1:])
        inner_inputs.append(element)
    attributes = [ir.AttrGraph("body", _take_graph(node)), ir.AttrInt64("num_scan_inputs", count)]
    if directions is not None:
        attributes.append(ir.AttrInt64s("scan_input_directions", directions))
    inner = ir.Node("", "Scan", inner_inputs, attributes, num_outputs=len(node.outputs), name=f"{node.name}/sequence")
    for i, (output, old) in enumerate(zip(inner.outputs, node.outputs, strict=True)):
        output.name, output.type = f"{node.name}/sequence_{i}", old.type
    batch = ir.Graph(inner_inputs, list(inner.outputs), nodes=[inner], name=f"{node.name}/batch")
    node.attributes["body"] = ir.AttrGraph("body", batch)
    node.attributes["num_scan_inputs"] = ir.AttrInt64("num_scan_inputs", len(given))
    for i, value in enumerate(given):
        set_input(node, i, value)
    node.resize_inputs(len(given))


def _take_graph(node: ir.Node) -> ir.Graph:
    graph: ir.Graph = node.attributes.pop("body").as_graph()
    return graph
