"""Inference on small graphs: symbols, content, control flow, refusals."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from onnx import parser

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.ops.inference.infer import infer
from burnish.ops.language.definition import Tensor

n, m, h, w = (symbol(s) for s in "nmhw")


def graph_of(text, opset=21):
    model = parser.parse_model(f'<ir_version: 10, opset_import: ["" : {opset}]> {text}')
    return ir.from_proto(model).graph


def outputs(text, opset=21):
    graph = graph_of(text, opset)
    found = infer(graph)
    return [found.tensors[v] for v in graph.outputs], found


def shapes(text):
    return [t.shape for t in outputs(text)[0]]


def test_symbols_of_inputs_keep_their_names():
    assert shapes("g (float[n, 3, h, w] x) => (float[a, b, c, d] y) { y = Relu(x) }") == [(n, 3, h, w)]


def test_a_dimension_without_a_name_is_called_after_its_input_and_axis():
    assert shapes("g (float[?, 4] x) => (float[a, b] y) { y = Relu(x) }") == [(symbol("x_0"), 4)]


def test_reshape_divides_symbols_exactly():
    text = """g (float[n, 12, h, w] x) => (float[a, b, c, d, e] y)
    <int64[5] s = {0, 3, -1, 2, 2}> { y = Reshape(x, s) }"""
    assert shapes(text) == [(n, 3, h * w, 2, 2)]


def test_shape_arithmetic_of_exporters_resolves():
    """x.view(x.shape[0], -1, x.shape[2] * x.shape[3]), as PyTorch writes it."""
    text = """g (float[n, 8, h, w] x) => (float[a, b, c] y)
    <int64[1] minus = {-1}, int64 zero = {0}, int64 two = {2}, int64 three = {3}, int64[1] axes = {0}> {
      s = Shape(x)
      d0 = Gather(s, zero)
      d2 = Gather(s, two)
      d3 = Gather(s, three)
      area = Mul(d2, d3)
      u0 = Unsqueeze(d0, axes)
      u2 = Unsqueeze(area, axes)
      target = Concat<axis = 0>(u0, minus, u2)
      y = Reshape(x, target)
    }"""
    (y,), found = outputs(text)
    assert y.shape == (n, 8, h * w)
    assert not found.from_data


def test_expand_by_a_shape_with_minus_one_as_pytorch_writes_it_resolves():
    text = """g (float[1, m] x, float[n, m] like) => (float[a, b] y)
    <int64[2] minus = {-1, -1}, int64[2] one = {1, 1}> {
      s = Shape(like)
      unset = Equal(s, minus)
      target = Where(unset, one, s)
      y = Expand(x, target)
    }"""
    assert shapes(text) == [(n, m)]


def test_slice_of_a_symbolic_axis_from_its_end():
    text = """g (float[n, m] x) => (float[a, b] y)
    <int64[1] start = {-1}, int64[1] end = {9223372036854775807}, int64[1] axes = {1}> {
      y = Slice(x, start, end, axes)
    }"""
    assert [str(d) for d in shapes(text)[0]] == ["n", "min(1,m)"]
    graph = graph_of(text)
    assert infer(graph, sizes={"m": (1, 99)}).tensors[graph.outputs[0]].shape == (n, 1)


def test_key_value_cache_grows_by_the_new_tokens():
    text = (
        """g (float[n, past, 4] cache, float[n, new, 4] x) => (float[a, b, c] y) { y = Concat<axis = 1>(cache, x) }"""
    )
    assert shapes(text) == [(n, symbol("past") + symbol("new"), 4)]


def test_range_over_a_symbolic_length():
    text = """g (float[n] x) => (int64[a] y) <int64 zero = {0}, int64 one = {1}, int64[0] none = {}> {
      s = Shape(x)
      length = Reshape(s, none)
      y = Range(zero, length, one)
    }"""
    assert shapes(text) == [(n,)]


def test_sizes_through_float_scales_stay_exact():
    """floor(cast(h) * 2.5) as a size: exact in integers."""
    text = """g (float[1, 1, h, 4] x) => (int64[a] y) <float[4] scale = {1.0, 1.0, 2.5, 0.5}> {
      s = Shape(x)
      f = Cast<to = 1>(s)
      g = Mul(f, scale)
      r = Floor(g)
      y = Cast<to = 7>(r)
    }"""
    ((y,), _) = outputs(text)
    assert y.elements == (1, 1, (h * 5) // 2, 2)


def test_two_symbols_broadcast_to_the_larger():
    ((rows,),) = shapes("g (float[n] x, float[m] y) => (float[a] z) { z = Add(x, y) }")
    assert str(rows) == "max(m,n)*min(1,min(m,n))"  # 0 and 1 give 0


def test_what_only_data_decides_gets_a_fresh_symbol():
    (y,), found = outputs("g (float[n, 4] x) => (int64[a, b] y) { y = NonZero(x) }")
    assert y.shape == (2, symbol("y_1"))
    assert found.from_data == {"y_1"}
    assert list(found.undefined.values()) == ["NonZero has no definition"]


def test_reshape_to_a_shape_from_data_keeps_its_rank():
    (y,), found = outputs("g (float[n, 4] x, int64[3] s) => (float[a, b, c] y) { y = Reshape(x, s) }")
    assert y.shape == (symbol("y_0"), symbol("y_1"), symbol("y_2"))
    assert found.from_data == {"y_0", "y_1", "y_2"}


def test_a_fresh_symbol_avoids_the_names_of_inputs():
    (y,), _ = outputs("g (float[y_1, 4] x) => (int64[a, b] y) { y = NonZero(x) }")
    assert y.shape == (2, symbol("y_1_2"))


IF = """g (bool c, float[n, 4] x, float[n, 4] z) => (float[a, b] y) {
  y = If (c) <
    then_branch = then () => (float[a, b] t) { t = Concat<axis = %s>(x, z) },
    else_branch = other () => (float[a, b] e) { e = Concat<axis = 1>(z, x) }
  >
}"""


def test_branches_that_agree_give_their_shape():
    (y,), found = outputs(IF % 1)
    assert y.shape == (n, 8)
    assert not found.from_data


def test_branches_that_disagree_leave_the_dimension_to_data():
    (y,), found = outputs(IF % 0)
    assert y.shape == (symbol("y_0"), symbol("y_1"))
    assert found.from_data == {"y_0", "y_1"}


def if_adding(then: int, otherwise: int) -> str:
    return f"""g (bool c, float[2, 3] x, float[{then}] s, float[{otherwise}] t) => (float[a, b] y) {{
      y = If (c) <
        then_branch = then () => (float[a, b] p) {{ p = Add(x, s) }},
        else_branch = other () => (float[a, b] q) {{ q = Add(x, t) }}
      >
    }}"""


def test_a_branch_that_does_not_fit_leaves_the_shape_to_the_other():
    (y,), found = outputs(if_adding(3, 5))
    assert y.shape == (2, 3)
    (reason,) = found.impossible.values()
    assert "[2,3] and [5] do not broadcast" in reason


def test_an_if_without_a_branch_that_fits_is_refused():
    with pytest.raises(UserError, match=r"E203.*neither branch fits") as error:
        infer(graph_of(if_adding(4, 5)))
    assert "[2,3] and [4]" in error.value.what and "[2,3] and [5]" in error.value.what


def test_a_loop_that_grows_a_value_leaves_its_length_to_data():
    text = """g (int64 trips, bool go, float[1] x) => (float[a] y, float[b, c] z) {
      y, z = Loop (trips, go, x) <body = body (int64 i, bool c, float[k] v) => (bool d, float[l] grown, float[k] s) {
        d = Identity(c)
        grown = Concat<axis = 0>(v, x)
        s = Identity(x)
      }>
    }"""
    (y, z), found = outputs(text)
    assert y.shape == (symbol("y_0"),)
    assert z.shape[1] == 1
    assert z.shape[0] == symbol("z_0")
    assert found.from_data == {"y_0", "z_0"}


def test_scan_removes_and_restores_the_scanned_axis():
    text = """g (float[4] s, float[t, 4] x) => (float[4] last, float[u, 4] all) {
      last, all = Scan (s, x) <num_scan_inputs = 1, body = body (float[4] a, float[4] b) => (float[4] c, float[4] d) {
        c = Add(a, b)
        d = Identity(c)
      }>
    }"""
    assert shapes(text) == [(4,), (symbol("t"), 4)]


def test_known_tensors_bind_the_inputs():
    graph = graph_of("g (float[n, 3] x) => (float[a, b] y) { y = Transpose(x) }")
    found = infer(graph, {graph.inputs[0]: Tensor("x", DType.F32, (7, 3))})
    assert found.tensors[graph.outputs[0]].shape == (3, 7)


def test_constants_are_known_by_content():
    (y,), _ = outputs("g () => (int64[3] y) { y = Constant<value_ints = [1, 2, 3]>() }")
    assert y.elements == (1, 2, 3)
    assert y.dtype is DType.I64


def test_shapes_that_do_not_broadcast_name_the_node_and_its_inputs():
    graph = graph_of("g (float[3] x, float[4] y) => (float[a] z) { z = Add(x, y) }")
    graph.node(0).name = "/sum"
    with pytest.raises(UserError) as error:
        infer(graph)
    assert error.value.code == "E203"
    assert "/sum" in error.value.where
    assert "x f32[3], y f32[4]" in error.value.where


def test_an_input_without_a_rank_is_refused():
    with pytest.raises(UserError, match="E201"):
        infer(graph_of("g (float x) => (float y) { y = Relu(x) }".replace("float x", "float[] x")))


def test_an_element_type_that_nobody_knows_is_refused():
    graph = graph_of("g (float[2] x) => (float[2] y) { y = Identity(x) }")
    graph.inputs[0].type = ir.TensorType(ir.DataType.UNDEFINED)
    with pytest.raises(UserError, match="E202"):
        infer(graph)


@pytest.mark.parametrize(("text", "name"), [("string", "string"), ("complex64", "c64"), ("int4", "i4")])
def test_element_types_without_kernels_run_on_the_reference_kernel(text, name):
    _, found = outputs(f"g ({text}[2] x) => ({text}[2] y) {{ y = Identity(x) }}")
    assert list(found.undefined.values()) == [f"Identity of {name}"]


@pytest.mark.parametrize(
    "line, rank",
    [
        ("y = ReduceSum <keepdims = 1> (x, a)", 3),
        ("y = ReduceSum <keepdims = 0> (x, a)", 1),
        ("y = ReduceL2 <keepdims = 1> (x, a)", 3),
        ("y = Squeeze (x, a)", 1),
        ("y = Unsqueeze (x, a)", 5),
    ],
)
def test_axes_that_only_the_run_tells_still_tell_the_rank(line, rank):
    graph = graph_of(f"g (float[2, 3, 4] x, int64[2] a) => (float z) {{ {line} z = ReduceSum <keepdims = 0> (y) }}")
    found = infer(graph)
    (y,) = [t for v, t in found.tensors.items() if v.name == "y"]
    assert y.rank == rank
    assert found.from_data


def test_no_axes_that_only_the_run_tells_reduce_all_or_nothing():
    text = """g (float[2, 3, 4] x, int64[0] a) => (float[2, 3, 4] z)
    {{ y = ReduceSum <keepdims = 0{}> (x, a) z = Add(x, y) }}"""
    for attribute, rank in (("", 0), (", noop_with_empty_axes = 1", 3)):
        (y,) = [t for v, t in infer(graph_of(text.format(attribute))).tensors.items() if v.name == "y"]
        assert y.rank == rank
