"""load.py: what a model is when it comes in, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from burnish.importers.upgrade import TARGET_OPSET
from tests.importers.build import assert_import_keeps_answers, parse, random

SIMPLE = "agraph (float[n,3] x) => (float[n,3] y) <float[3] w = {1.0, 2.0, 3.0}> { h = Mul (x, w) [last] y = Relu (h) }"


def test_every_kind_of_source_gives_the_same_graph(tmp_path: Path):
    proto = parse(17, SIMPLE)
    path = tmp_path / "simple.onnx"
    path.write_bytes(proto.SerializeToString())
    sources = [str(path), path, path.read_bytes(), proto, ir.from_proto(proto)]
    loaded = [load_model(s) for s in sources]
    assert {tuple(n.op_type for n in i.model.graph) for i in loaded} == {("Mul", "Relu")}
    assert loaded[0].sha256 == loaded[1].sha256 == loaded[2].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert loaded[0].name == "simple"


def test_the_source_is_not_changed():
    proto = parse(11, "agraph (float[2,3] x) => (float[3] y) { y = Squeeze <axes = [0]> (x) }".replace("2,3", "1,3"))
    before = proto.SerializeToString(deterministic=True)
    load_model(proto)
    assert proto.SerializeToString(deterministic=True) == before


def test_symbolic_dimensions_are_kept_and_shapes_inferred():
    model = load_model(parse(17, SIMPLE)).model
    assert [str(v.shape) for n in model.graph for v in n.outputs] == ["[n,3]", "[n,3]"]
    assert model.graph.opset_imports[""] == TARGET_OPSET


def test_open_dimensions_get_names():
    proto = parse(17, "agraph (float[a,b,c] x) => (float[d,e,f] y) { y = Relu (x) }")
    dims = proto.graph.input[0].type.tensor_type.shape.dim
    dims[0].dim_value, dims[1].dim_param = -1, "?"
    assert str(load_model(proto).model.graph.inputs[0].shape) == "[x_0,x_1,c]"


def test_unnamed_nodes_get_stable_names_and_named_ones_keep_theirs():
    names = [n.name for n in load_model(parse(17, SIMPLE)).model.graph]
    assert names == ["Mul_0", "last"]
    assert names == [n.name for n in load_model(parse(17, SIMPLE)).model.graph]


def test_two_nodes_of_one_name_are_told_apart():
    proto = parse(17, "agraph (float[3] x) => (float[3] y) { [n] h = Abs (x) [n] y = Relu (h) }")
    assert [n.name for n in load_model(proto).model.graph] == ["n", "n_1"]


def test_initializers_listed_as_inputs_are_constants():
    proto = parse(8, SIMPLE, ir_version=3)
    proto.graph.input.append(onnx.helper.make_tensor_value_info("w", 1, [3]))
    model = load_model(proto).model
    assert [v.name for v in model.graph.inputs] == ["x"] and "w" in model.graph.initializers


def test_nodes_out_of_order_are_sorted():
    proto = parse(17, SIMPLE)
    proto.graph.node.reverse()
    assert [n.op_type for n in load_model(proto).model.graph] == ["Mul", "Relu"]


def test_subgraphs_survive_with_the_outer_values_they_read():
    proto = parse(
        11,
        """agraph (bool c, float[2] x) => (float[2] y) {
            outer = Abs (x)
            y = If (c) <then_branch = g1 () => (float[2] t) { t = Relu (outer) },
                        else_branch = g2 () => (float[2] e) { e = Neg (outer) }>
        }""",
    )
    imported = load_model(proto)
    feeds = {"c": np.array(False), "x": random(2)}
    assert_import_keeps_answers(proto, imported, feeds)
    assert [n.name for n in imported.model.graph.all_nodes()] == ["Abs_0", "If_1", "Relu_2", "Neg_3"]


def test_sparse_initializers_become_dense():
    proto = parse(13, "agraph (float[5] x, float[5] w) => (float[5] y) { y = Mul (x, w) }")
    del proto.graph.input[1]
    values = onnx.numpy_helper.from_array(np.array([2.0, 3.0], np.float32), "w")
    indices = onnx.numpy_helper.from_array(np.array([1, 4], np.int64))
    proto.graph.sparse_initializer.append(onnx.helper.make_sparse_tensor(values, indices, [5]))
    weight = load_model(proto).model.graph.initializers["w"].const_value
    assert weight is not None
    np.testing.assert_array_equal(weight.numpy(), [0, 2, 0, 0, 3])


def test_string_tensors_come_through():
    proto = parse(17, "agraph (int64 i) => (string y) { y = Gather (s, i) }".replace("(s, i)", "(s, i)"))
    tensor = onnx.helper.make_tensor("s", onnx.TensorProto.STRING, [2], [b"a", b"bc"])
    proto.graph.initializer.append(tensor)
    content = load_model(proto).model.graph.initializers["s"].const_value
    assert content is not None and list(content.numpy()) == [b"a", b"bc"]


def refused(source: object, code: str, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        load_model(source)  # type: ignore[arg-type]
    assert caught.value.code == code
    for word in words:
        assert word in str(caught.value)


def test_what_is_no_onnx_is_refused(tmp_path: Path):
    refused(b"\x89PNG\r\n\x1a\n" + bytes(range(64)), "E101")
    refused(b"<!DOCTYPE html><html></html>", "E101")
    refused(b"", "E102")
    empty = tmp_path / "empty.onnx"
    empty.write_bytes(b"")
    refused(empty, "E102", str(empty))
    refused(tmp_path / "absent.onnx", "E104", "absent.onnx")
    refused(tmp_path, "E104")


def test_every_truncation_of_a_model_is_refused():
    content = parse(17, SIMPLE).SerializeToString()
    for length in range(len(content)):
        with pytest.raises(UserError) as caught:
            load_model(content[:length])
        assert caught.value.code.startswith("E1")


def test_a_model_cut_in_the_middle_is_called_truncated():
    content = parse(17, SIMPLE).SerializeToString()
    refused(content[: len(content) // 2], "E103", "truncated")


def test_a_tensor_that_does_not_fill_its_shape_is_refused():
    for spoil in (lambda t: t.dims.__setitem__(0, 4), lambda t: t.ClearField("float_data")):
        proto = parse(17, SIMPLE)
        spoil(proto.graph.initializer[0])
        refused(proto, "E124", "'w'")


def test_contradicting_types_are_refused():
    refused(parse(17, "agraph (float[2] x, int64[2] z) => (float[2] y) { [bad] y = Add (x, z) }"), "E131", "bad")


def test_every_flipped_byte_gives_a_model_or_a_coded_error():
    content = bytearray(parse(17, SIMPLE).SerializeToString())
    for position in range(len(content) * 4):
        damaged = bytearray(content)
        damaged[position // 4] ^= (0xFF, 0x01, 0x08, 0x40)[position % 4]
        try:
            load_model(bytes(damaged))
        except UserError as error:
            assert error.code.startswith("E1")
