import numpy as np
import pytest

from burnish.serve.scheduling.ensemble.graph import ensemble_graph
from burnish.serve.scheduling.ensemble.values import Values, fit_batch
from tests.serve.scheduling.ensemble.models import ensemble, step
from tests.serve.scheduling.fakes import config, tensor


def values_of(*steps, **fields):
    return Values(ensemble_graph(config(ensemble(*steps, **fields))).part(()))


def test_a_step_is_ready_once_for_each_number_that_all_its_inputs_have():
    values = values_of(step("a", "A=X B=Y", "B=Z"), inputs="X Y")
    x0, x1 = values.put("X", None, 0), values.put("X", None, 0)
    assert values.ready_steps([x0, x1]) == []
    y0 = values.put("Y", None, 0)
    assert [(s.model, n) for s, n in values.ready_steps([y0])] == [("a", 0)]
    y1 = values.put("Y", None, 0)
    assert [n for _, n in values.ready_steps([y1])] == [1]


def test_a_tensor_is_let_go_by_its_last_reader_and_one_that_no_one_reads_at_once():
    values = values_of(step("a", "A=X", "B=y"), step("b", "A=y", "B=Z"), step("c", "A=y", "B=W C=w"), outputs="Z W")
    made = tensor("y", np.zeros(1))
    values.put("y", made, 0)
    values.put("w", made, 0)
    assert values.take("y", 0).tensor is made
    assert values.take("y", 0).tensor is made
    assert values._values == {}


def test_outputs_are_ready_when_all_of_them_have_a_number():
    values = values_of(step("a", "A=X", "B=Z C=W"), outputs="Z W")
    z = values.put("Z", None, 0)
    assert values.ready_outputs([z]) is None
    assert values.ready_outputs([values.put("W", None, 0)]) == 0


@pytest.mark.parametrize(
    "shape, rows, dims, has_batch, expected",
    [
        ((2, 3), 2, (3,), True, (2, 3)),
        ((3,), 0, (3,), False, (3,)),
        ((3,), 0, (3,), True, (1, 3)),  # of a model without a batch, to one with it
        ((1, 3), 0, (3,), True, (1, 3)),  # it has the dimension already
        ((5, 7), 0, (-1, 7), True, (1, 5, 7)),
        ((1, 3), 1, (3,), False, (3,)),
        ((2, 3), 2, (3,), False, (2, 3)),  # two rows do not go into one
        ((1, 3), 1, (-1, 3), False, (1, 3)),
    ],
)
def test_a_batch_dimension_is_added_or_left_out_where_the_models_differ_in_it(shape, rows, dims, has_batch, expected):
    data = np.zeros(shape)
    fitted = fit_batch(data, rows, dims, has_batch)
    assert fitted.shape == expected
    assert np.shares_memory(fitted, data)
