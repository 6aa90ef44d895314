"""LSTM, GRU and RNN with every attribute: lengths, clip, activations, peepholes, input_forget, layout.

onnx's own classes support only the peepholes of these. After its end, a sequence keeps its last state and gives zeros.
In reverse, a sequence starts at its own last element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
Activation = Callable[[Array], Array]

# default alpha and beta
DEFAULTS = {
    "Affine": (1.0, 0.0), "LeakyRelu": (0.01, 0.0), "ThresholdedRelu": (1.0, 0.0), "ScaledTanh": (1.0, 1.0),
    "HardSigmoid": (0.2, 0.5), "Elu": (1.0, 0.0),
}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Array, float, float], Array]] = {
    "Relu": lambda x, a, b: np.maximum(x, 0),
    "Tanh": lambda x, a, b: np.tanh(x),
    "Sigmoid": lambda x, a, b: 1 / (1 + np.exp(-x)),
    "Affine": lambda x, a, b: a * x + b,
    "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x),
    "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "HardSigmoid": lambda x, a, b: np.clip(a * x + b, 0, 1),
    "Elu": lambda x, a, b: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Softplus": lambda x, a, b: np.logaddexp(x, 0),
}


@dataclass(frozen=True)
class Cell:
    """One direction's parameters. step: (x @ W, state) -> new state; a state is (H,) or (H, C)."""

    weight: Array
    recurrence: Array
    bias_w: Array
    bias_r: Array
    peepholes: Array
    functions: Sequence[Activation]
    clip: Activation
    flag: int  # input_forget, or linear_before_reset

    def lstm(self, x: Array, state: list[Array]) -> list[Array]:
        h, c = state
        gates = np.split(x @ self.weight.T + h @ self.recurrence.T + self.bias_w + self.bias_r, 4, axis=-1)
        p_i, p_o, p_f = np.split(self.peepholes, 3)
        f, g, last = self.functions
        i = f(self.clip(gates[0] + p_i * c))
        forget = 1 - i if self.flag else f(self.clip(gates[2] + p_f * c))
        c = forget * c + i * g(self.clip(gates[3]))
        o = f(self.clip(gates[1] + p_o * c))
        return [o * last(c), c]

    def gru(self, x: Array, state: list[Array]) -> list[Array]:
        (h,) = state
        w_z, w_r, w_h = np.split(x @ self.weight.T + self.bias_w, 3, axis=-1)
        r_z, r_r, r_h = np.split(self.recurrence, 3)
        b_z, b_r, b_h = np.split(self.bias_r, 3)
        f, g = self.functions
        z = f(self.clip(w_z + h @ r_z.T + b_z))
        r = f(self.clip(w_r + h @ r_r.T + b_r))
        inner = r * (h @ r_h.T + b_h) if self.flag else (r * h) @ r_h.T + b_h
        return [(1 - z) * g(self.clip(w_h + inner)) + z * h]

    def rnn(self, x: Array, state: list[Array]) -> list[Array]:
        (h,) = state
        return [self.functions[0](self.clip(x @ self.weight.T + h @ self.recurrence.T + self.bias_w + self.bias_r))]


def lstm(x: Array, w: Array, r: Array, b: Any = None, lengths: Any = None, h: Any = None, c: Any = None, p: Any = None,
         **attributes: Any) -> tuple[Array, ...]:  # fmt: skip
    """Y, Y_h, Y_c"""
    cells = _cells(w, r, b, p, 4, ("Sigmoid", "Tanh", "Tanh"), attributes, "input_forget")
    return _run([cell.lstm for cell in cells], x, r, lengths, (h, c), attributes)


def gru(x: Array, w: Array, r: Array, b: Any = None, lengths: Any = None, h: Any = None,
        **attributes: Any) -> tuple[Array, ...]:  # fmt: skip
    """Y, Y_h"""
    cells = _cells(w, r, b, None, 3, ("Sigmoid", "Tanh"), attributes, "linear_before_reset")
    return _run([cell.gru for cell in cells], x, r, lengths, (h,), attributes)


def rnn(x: Array, w: Array, r: Array, b: Any = None, lengths: Any = None, h: Any = None,
        **attributes: Any) -> tuple[Array, ...]:  # fmt: skip
    """Y, Y_h"""
    cells = _cells(w, r, b, None, 1, ("Tanh",), attributes, "")
    return _run([cell.rnn for cell in cells], x, r, lengths, (h,), attributes)


def _cells(
    w: Array, r: Array, b: Array | None, p: Array | None, gates: int, usual: Sequence[str], attributes: Any, flag: str
) -> list[Cell]:
    directions, hidden = w.shape[0], r.shape[-1]
    wide = np.result_type(w.dtype, np.float32)
    bias = np.zeros((directions, 2 * gates * hidden), wide) if b is None else b.astype(wide)
    peepholes = np.zeros((directions, 3 * hidden), wide) if p is None else p.astype(wide)
    limit = attributes.get("clip")
    names = [str(n) for n in attributes.get("activations") or ()] or [*usual] * directions
    functions = list(_functions(names, attributes))
    found = []
    for d in range(directions):
        bias_w, bias_r = np.split(bias[d], 2)
        own = functions[d * len(usual) : (d + 1) * len(usual)]
        clip: Activation = (lambda v: np.clip(v, -limit, limit)) if limit else (lambda v: v)
        is_set = int(attributes.get(flag) or 0)
        found.append(Cell(w[d].astype(wide), r[d].astype(wide), bias_w, bias_r, peepholes[d], own, clip, is_set))
    return found


def _functions(names: Sequence[str], attributes: Any) -> Iterator[Activation]:
    """alphas and betas are given, in order, to the functions that have them."""
    kinds = {name.lower(): name for name in FUNCTIONS}
    alphas, betas = (list(attributes.get(f"activation_{n}") or ()) for n in ("alpha", "beta"))
    for place, written in enumerate(names):
        name = kinds[written.lower()]
        alpha, beta = DEFAULTS.get(name, (0.0, 0.0))
        alpha = float(alphas[place]) if place < len(alphas) else alpha
        beta = float(betas[place]) if place < len(betas) else beta
        yield lambda x, f=FUNCTIONS[name], a=alpha, b=beta: f(x, a, b)  # type: ignore[misc]


def _run(
    steps: Sequence[Callable[[Array, list[Array]], list[Array]]],
    x: Array,
    r: Array,
    lengths: Array | None,
    initial: Sequence[Array | None],
    attributes: Any,
) -> tuple[Array, ...]:
    by_batch = bool(attributes.get("layout"))
    direction = attributes.get("direction") or "forward"
    if by_batch:
        x = x.swapaxes(0, 1)
        initial = [None if s is None else s.swapaxes(0, 1) for s in initial]
    (time, batch), hidden = x.shape[:2], r.shape[-1]
    wide = np.result_type(x.dtype, np.float32)
    ends = np.full(batch, time) if lengths is None else np.asarray(lengths).astype(np.int64)
    y = np.zeros((time, len(steps), batch, hidden), wide)
    last = [np.zeros((len(steps), batch, hidden), wide) for _ in initial]
    for d, step in enumerate(steps):
        is_reverse = direction == "reverse" or d == 1
        state = [np.zeros((batch, hidden), wide) if s is None else s[d].astype(wide) for s in initial]
        for turn in range(time):
            at = np.where(turn < ends, ends - 1 - turn, 0) if is_reverse else np.full(batch, turn)
            runs = (turn < ends)[:, None]
            with np.errstate(all="ignore"):
                following = step(x[at, np.arange(batch)].astype(wide), state)
            state = [np.where(runs, new, old) for new, old in zip(following, state)]
            rows = np.flatnonzero(runs)
            y[at[rows], d, rows] = state[0][rows]
        for kept, value in zip(last, state):
            kept[d] = value
    if by_batch:
        y, last = y.transpose(2, 0, 1, 3), [s.swapaxes(0, 1) for s in last]
    return tuple(v.astype(x.dtype) for v in (y, *last))
