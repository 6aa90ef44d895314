"""The contraction template against float64: any shape, layout, dtype, epilogue and number of threads."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import Case, check, convolution, matmul
from tests.targets.cpu.run_kernel import BEST, on_machines

LEVELS = on_machines()


def schedules(case: Case, target: Target = BEST) -> list[Schedule]:
    return contraction.schedules(case.kernel, target)


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (5, 7, 3), (49, 33, 64), (1, 100, 37), (33, 1, 50), (30, 48, 16), (3, 10, 130)]
)
def test_static_product_with_epilogue_is_right_at_every_level(target: Target, shape: tuple[int, int, int]) -> None:
    case = matmul(*shape, epilogue="residual", a_pad=3, out_pad=5)
    check(case, schedules(case, target)[0], target)


@settings(max_examples=25, deadline=None)
@example(m=1, n=1, k=2, batch=1, layout="columns", shared=False, pick=62, epilogue="none", symbols=set())
@given(
    m=st.integers(1, 70), n=st.integers(1, 70), k=st.integers(1, 70), batch=st.integers(1, 3),
    layout=st.sampled_from(["packed", "rows", "columns", "loose"]), shared=st.booleans(), pick=st.integers(0, 99),
    epilogue=st.sampled_from(["none", "bias", "residual"]), symbols=st.sets(st.sampled_from(["batch", "m", "n", "k"])),
)  # fmt: skip
def test_any_product_with_any_schedule_is_right(
    m: int, n: int, k: int, batch: int, layout: str, shared: bool, pick: int, epilogue: str, symbols: set[str]
) -> None:
    if layout == "packed":
        symbols -= {"n", "k"} | (set() if shared else {"batch"})
    case = matmul(m, n, k, batch=batch, b_layout=layout, shared_b=shared, epilogue=epilogue, symbols=sorted(symbols))
    found = schedules(case)
    check(case, found[pick % len(found)], BEST, (1, 2))


@pytest.mark.parametrize("layout", ["packed", "rows", "columns", "loose"])
@pytest.mark.parametrize("dtype", [DType.F64, DType.F16, DType.BF16, DType.U8, DType.I8, DType.I32])
@pytest.mark.parametrize("target", LEVELS)
def test_every_dtype_is_accumulated_exactly_enough(target: Target, dtype: DType, layout: str) -> None:
    case = matmul(9, 21, 35, dtype=dtype, b_layout=layout)
    check(case, schedules(case, target)[0], target, (1,))


def test_unsigned_times_signed_bytes_sum_in_32_bits() -> None:
    case = matmul(4, 20, 300, dtype=DType.U8, b_dtype=DType.I8)
    check(case, schedules(case)[0], BEST)


@pytest.mark.parametrize("m", [1, 2, 3, 4, 7, 13, 14, 15, 29, 60])
def test_symbolic_rows_of_any_number_are_written_once(m: int) -> None:
    case = matmul(m, 40, 24, epilogue="residual", symbols=["m"])
    check(case, schedules(case)[0], BEST)


def test_product_of_no_rows_writes_nothing() -> None:
    case = matmul(0, 8, 8, symbols=["m"])
    check(case, schedules(case)[0], BEST)


def test_sum_over_nothing_is_zero() -> None:
    case = matmul(3, 8, 0, b_layout="rows", symbols=["k"])
    check(case, schedules(case)[0], BEST)


@pytest.mark.parametrize(
    "case",
    [
        convolution(7, 7, 32, 48),
        convolution(5, 9, 3, 20, 7, 2),
        convolution(6, 6, 16, 40, 1),
        convolution(6, 5, 16, 24, 1, 2, pad_channels=16),
        convolution(8, 8, 4, 6, groups=3, batch=2),
        convolution(9, 4, 5, 8, dilation=2),
        convolution(4, 4, 8, 16, batch=3, batch_symbol=True),
        convolution(6, 7, 8, 17, out_first=True),
        convolution(1, 1, 8, 33),
    ],
    ids=["3x3", "7x7s2", "1x1", "1x1s2", "grouped", "dilated", "symbolic batch", "channels first", "one pixel"],
)
@pytest.mark.parametrize("target", LEVELS)
def test_convolution_is_right(target: Target, case: Case) -> None:
    for schedule in schedules(case, target)[:2]:
        check(case, schedule, target, (1, 2))


@pytest.mark.parametrize("block", [0, 1, 2, 5, 100])
@pytest.mark.parametrize("axis", [0, 1])
def test_blocks_and_axes_change_nothing_but_the_order(block: int, axis: int) -> None:
    case = convolution(11, 6, 4, 40)
    options = dict(schedules(case)[0].options) | {"block": block, "axis": axis, "rows": 4}
    check(case, Schedule.of("contraction", **options), BEST, (1, 2, 3, 7))


@pytest.mark.parametrize("spread", [0, 1, 2, 8])
@pytest.mark.parametrize(
    "case",
    [matmul(30, 70, 37, epilogue="residual"), matmul(17, 50, 8, symbols=["m"]), matmul(9, 40, 6, dtype=DType.I8),
     convolution(6, 5, 5, 40, groups=3), matmul(20, 33, 11, batch=2, shared_b=False)],
    ids=["odd depth", "symbolic rows", "bytes", "grouped", "batched"],
)  # fmt: skip
def test_asking_for_the_next_panel_changes_no_answer(case: Case, spread: int) -> None:
    options = dict(schedules(case)[0].options) | {"form": "tile", "rows": 4, "spread": spread, "serial": False}
    check(case, Schedule.of("contraction", **options), BEST)


@pytest.mark.parametrize("dtype", [DType.F32, DType.F64, DType.F16, DType.BF16, DType.U8, DType.I32])
@pytest.mark.parametrize("layout", ["columns", "loose"])
@pytest.mark.parametrize("target", LEVELS)
def test_a_copied_panel_has_the_columns_that_lie_apart(target: Target, layout: str, dtype: DType) -> None:
    for sizes in ({"m": 30, "n": 45, "k": 21, "batch": 2}, {"m": 9, "n": 7, "k": 2}):
        case = matmul(**sizes, b_layout=layout, dtype=dtype, shared_b=False, epilogue="residual")
        options = dict(schedules(case, target)[0].options)
        options |= {"form": "copied", "rows": 4, "vectors": 2, "block": 0, "prefetch": 0, "serial": False}
        options |= {"lanes": min(16, target.vector_bytes // contraction.analyse(case.kernel).accumulator.size_bytes)}
        check(case, Schedule.of("contraction", **options), target)


@pytest.mark.parametrize("n", [1, 16, 33, 70])
def test_a_copied_panel_of_any_number_of_columns(n: int) -> None:
    case = matmul(19, n, 24, b_layout="columns", epilogue="bias", symbols=["m", "n"])
    options = dict(schedules(case)[0].options) | {"form": "copied", "rows": 6, "vectors": 2, "lanes": 16, "block": 0}
    check(case, Schedule.of("contraction", **options), BEST)


def test_a_copied_panel_of_one_column_and_lane() -> None:
    case = matmul(3, 1, 4, b_layout="columns")
    for schedule in schedules(case):
        check(case, schedule, BEST)


def test_a_panel_is_copied_where_columns_lie_apart_and_its_depth_is_known() -> None:
    def forms(**options: object) -> set[object]:
        return {s["form"] for s in schedules(matmul(64, 64, 32, **options))}  # type: ignore[arg-type]

    assert "copied" in forms(b_layout="columns")
    assert "copied" not in forms(b_layout="rows") | forms() | forms(b_layout="columns", symbols=["k"])


def test_schedules_are_legal_distinct_and_bounded() -> None:
    for case in (matmul(128, 768, 768), matmul(1, 1000, 2048), matmul(8, 1, 64), convolution(14, 14, 32, 32)):
        found = schedules(case)
        assert 1 <= len(found) == len(set(found)) <= 12
        assert all(contraction.legal(case.kernel, s, BEST) for s in found)


@pytest.mark.parametrize(
    ("extensions", "a", "b", "forms"),
    [
        ((), DType.U8, DType.I8, ["bytes", "quads", "tile", "dot"]),
        (("vnni",), DType.I8, DType.I8, ["quads", "tile", "dot"]),
        (("bf16",), DType.BF16, DType.BF16, ["pairs", "tile", "narrow", "dot"]),
        (("amx", "bf16", "vnni"), DType.U8, DType.I8, ["tiles", "quads", "tile", "dot"]),
        (("amx", "bf16", "vnni"), DType.BF16, DType.BF16, ["tiles", "pairs", "tile", "narrow", "dot"]),
    ],
    ids=str,
)
def test_the_best_of_each_form_is_offered(extensions: tuple[str, ...], a: DType, b: DType, forms: list[str]) -> None:
    target = Target("cpu", "x86-64-v4", extensions)
    found = [s["form"] for s in schedules(matmul(128, 256, 256, dtype=a, b_dtype=b), target)]
    assert found[0] == forms[0] and set(found) == set(forms) and len(found) <= 12


def test_the_best_of_a_form_that_is_near_is_among_the_first() -> None:
    target = Target("cpu", "x86-64-v4", ("bf16",))
    near = [s["form"] for s in schedules(matmul(128, 768, 768, dtype=DType.BF16, b_dtype=DType.BF16), target)[:3]]
    assert near[0] == "pairs" and set(near) == {"pairs", "tile", "narrow"}


def test_tiny_products_are_serial_and_large_ones_are_not() -> None:
    assert schedules(matmul(4, 16, 16))[0]["serial"] is True
    assert schedules(matmul(128, 256, 256))[0]["serial"] is False


def test_foreign_schedules_are_illegal() -> None:
    case = matmul(8, 8, 8, b_layout="loose")
    options = dict(schedules(case)[0].options)
    assert not contraction.legal(case.kernel, Schedule.of("loops"), BEST)
    for change in ({"rows": 0}, {"axis": 3}, {"form": "dot"}, {"lanes": 1024}, {"block": -1}, {"spread": 2}):
        assert not contraction.legal(case.kernel, Schedule.of("contraction", **(options | change)), BEST)
    packed = matmul(8, 8, 8)
    options = dict(schedules(packed)[0].options) | {"form": "tile", "spread": 3}
    assert not contraction.legal(packed.kernel, Schedule.of("contraction", **options), BEST)
