"""What an operator's definition says: shapes, dtypes, and for each output one of four forms.

    Compute    every element is an expression over its index               (Relu, Softmax, Gather, MaxPool ...)
    View       the same elements at another index, each index affine      (Transpose, Slice, Expand, Unsqueeze ...)
    Reshape    the same elements in row-major order under another shape    (Reshape, Flatten)
    Concat     several tensors side by side on one axis                    (Concat)
    Template   the operator has its own template                           (MatMul, Conv, Attention, LSTM, Trees ...)

`define(node)` is found by (domain, operator) in the registry. An operator without a definition runs on the reference
kernel. Definitions are target-free, and the only place that knows an operator's semantics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.ops.language.ensemble import Ensemble
from burnish.ops.language.expr import Expr, Operand, load

Shape = tuple[Dim, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Tensor:
    """A value of the graph as operators see it. `elements`: its known content, flat in row-major order.

    elements are dims for i64 shape arithmetic, Python numbers else; None where nothing is known, and always None for a
    tensor of more than 1,024 elements, whose constant content is in `array`.
    """

    name: str
    dtype: DType
    shape: Shape
    elements: tuple[Any, ...] | None = None
    array: np.ndarray[Any, Any] | None = None

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __getitem__(self, index: Sequence[Operand]) -> Expr:
        """The element at an index: a load."""
        assert len(index) == self.rank, f"{self.name}: rank {self.rank}, index of {len(index)}"
        return load(self, self.dtype, index)

    def __str__(self) -> str:
        return self.name


Index = Sequence[Expr]


@dataclass(frozen=True)
class Compute:
    """out[index] = body(index)"""

    dtype: DType
    shape: Shape
    body: Callable[[Index], Expr]


@dataclass(frozen=True)
class View:
    """out[index] = source[where(index)]; `where` gives one affine index per axis of the source."""

    source: Tensor
    shape: Shape
    where: Callable[[Index], Sequence[Operand]]

    @property
    def dtype(self) -> DType:
        return self.source.dtype


@dataclass(frozen=True)
class Reshape:
    """out = source's elements in row-major order under `shape`."""

    source: Tensor
    shape: Shape

    @property
    def dtype(self) -> DType:
        return self.source.dtype


@dataclass(frozen=True)
class Concat:
    """out = parts side by side on `axis`."""

    parts: tuple[Tensor, ...]
    axis: int
    shape: Shape

    @property
    def dtype(self) -> DType:
        return self.parts[0].dtype


@dataclass(frozen=True, eq=False, slots=True)
class Blocked:
    """b[k, n] = (code[n, k] - zero[n, k // size]) * scale[n, k // size], constants all.

    codes: u8 [n, blocks, bytes of a block], the first code in the lowest bits
    scale: as many floats as blocks; zero: as many floats, or codes in u8 [n, bytes]; None: the middle of the codes
    """

    codes: Tensor
    scale: Tensor
    zero: Tensor | None
    size: int
    bits: int


@dataclass(frozen=True)
class MatMul:
    """out[batch..., m, n] = sum_k a[batch..., m, k] * b[batch..., k, n] (+ bias), with numpy's broadcasting of batches.

    transposed operands are given by flags; alpha and beta as in Gemm. Vectors are not allowed here (View them first).
    Of 8-bit integers (dtype i32): sum_k (a - a_zero) * (b - b_zero), modulo 2^32; a zero is one number, or one for each
    row of a, or for each column of b; None is 0.
    blocks: how b, which is then only the name of these numbers, is kept in few bits.
    """

    a: Tensor
    b: Tensor
    bias: Tensor | None
    shape: Shape
    dtype: DType
    transpose_a: bool = False
    transpose_b: bool = False
    alpha: float = 1.0
    beta: float = 1.0
    a_zero: Tensor | None = None
    b_zero: Tensor | None = None
    blocks: Blocked | None = None


@dataclass(frozen=True)
class Conv:
    """out[n, o, y...] = bias[o] + sum_{c, r...} x[n, c, y*stride + r*dilation - pad] * weight[o, c, r...]

    1 to 3 spatial axes. transposed: ConvTranspose's semantics (weight is [C, O/groups, r...]); pads are then cut from
    the output. Of 8-bit integers (dtype i32): of (x - x_zero) * (weight - weight_zero), modulo 2^32, and the pads of x
    are x_zero. x_zero is one number, weight_zero one or one for each o; None is 0.
    """

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    shape: Shape
    dtype: DType
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads_begin: tuple[int, ...]
    pads_end: tuple[int, ...]
    groups: int
    transposed: bool = False
    x_zero: Tensor | None = None
    weight_zero: Tensor | None = None

    @property
    def channels(self) -> Dim:
        """Of x, which the weight knows too."""
        return self.weight.shape[0] if self.transposed else self.weight.shape[1] * self.groups


@dataclass(frozen=True)
class AttentionCodes:
    """What the float8 codes of an attention stand for. Those of q and k are part of its scale.

    values    the scale of v's codes
    weights   the scale of the softmax's codes, to which it is rounded; 0: it is not rounded to codes
    out       the scale of the result's codes; 0: the result is no codes
    dtype     in which a softmax that is not rounded to codes is multiplied, and of a result that is no codes
    """

    values: float
    weights: float
    out: float
    dtype: DType

    def __str__(self) -> str:
        return f" v={self.values!r} p={self.weights!r} out={self.out!r} {self.dtype.value}"


@dataclass(frozen=True)
class Attention:
    """out[b,h,i,:] = sum_j softmax_j(scale * q[b,h,i,:].k[b,h//g,j,:] + mask[b,h,i,j]) * v[b,h//g,j,:]

    q, k, v are 4-D. causal: j <= i + past, past = len(k) - len(q). A bool mask keeps True; a float mask is added.
    A row that may not attend to any key is 0. codes: q, k and v are float8, and stand for numbers as it says.
    """

    q: Tensor
    k: Tensor
    v: Tensor
    mask: Tensor | None
    shape: Shape
    dtype: DType
    scale: float
    causal: bool = False
    softcap: float = 0.0
    codes: AttentionCodes | None = None


@dataclass(frozen=True)
class Recurrent:
    """LSTM, GRU, RNN with ONNX's attributes; shapes and dtypes of the outputs that are used, in ONNX's order."""

    kind: str
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[tuple[Shape, DType] | None, ...]
    hidden_size: int
    direction: str
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Trees:
    """sums[row, target] = sum (or min, or max), over all trees, of the value of the leaf that x[row] reaches.

    This tensor has no name in the graph; `outputs` are the node's, as expressions over it.
    """

    x: Tensor
    sums: Tensor
    ensemble: Ensemble
    combine: str  # sum, min or max
    outputs: tuple[Compute | None, ...]


Definition = Compute | View | Reshape | Concat | MatMul | Conv | Attention


@dataclass(frozen=True, eq=False)
class NodeView:
    """A node as its definition sees it: inputs as Tensors (None where left out), attributes as Python values."""

    op_type: str
    name: str
    inputs: tuple[Tensor | None, ...]
    attributes: dict[str, Any]
    output_names: tuple[str, ...]  # "" for an output left out
    opset: int
    domain: str = ""
    output_ranks: tuple[int | None, ...] = ()  # as the model declares them, where it does
    keeps_excess: bool = False  # of a Cast to f16 or bf16: a value in a register need not be rounded
    rounds_states: bool = False  # of an LSTM: its hidden states are quantised by range before they are multiplied
    of_codes: bool = False  # its first input comes from DequantizeLinear: means lie on ties of the next QuantizeLinear
    sums_columns: bool = False  # of an AveragePool: in the order that ONNX Runtime's had before opset 19

    def tensor(self, i: int) -> Tensor:
        """Input i, which must be there."""
        t = self.inputs[i]
        assert t is not None, f"{self.name}: input {i} is missing"
        return t

    def optional(self, i: int) -> Tensor | None:
        return self.inputs[i] if i < len(self.inputs) else None

    def attr(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)
