import numpy as np

from burnish.serve.scheduling.batch_shape import shape_key
from tests.serve.scheduling.fakes import config, make_job, tensor


def job(**inputs):
    return make_job(inputs={name: tensor(name, data) for name, data in inputs.items()})[0]


def test_with_fixed_dimensions_there_is_nothing_to_compare():
    assert shape_key(config("input { name: 'A' dims: [ 3, 4 ] } max_batch_size: 2")) is None


def test_free_dimensions_are_compared_without_the_batch():
    key = shape_key(config("input { name: 'A' dims: [ -1 ] } max_batch_size: 2"))
    assert key(job(A=np.zeros((1, 3)))) == key(job(A=np.zeros((2, 3)))) != key(job(A=np.zeros((1, 4))))


def test_a_ragged_input_may_differ():
    text = "input { name: 'A' dims: [ -1 ] allow_ragged_batch: true } input { name: 'B' dims: [ -1 ] }"
    key = shape_key(config(text))
    assert key(job(A=np.zeros((1, 3)), B=np.zeros((1, 2)))) == key(job(A=np.zeros((1, 9)), B=np.zeros((1, 2))))
    assert shape_key(config("input { name: 'A' dims: [ -1 ] allow_ragged_batch: true }")) is None


def test_shape_tensors_have_equal_values():
    key = shape_key(config("input { name: 'S' dims: [ 2 ] is_shape_tensor: true }"))
    assert key(job(S=np.array([1, 2]))) == key(job(S=np.array([1, 2]))) != key(job(S=np.array([1, 3])))


def test_with_optional_inputs_the_same_ones_are_given():
    key = shape_key(config("input { name: 'A' dims: [ 3 ] } input { name: 'B' dims: [ 3 ] optional: true }"))
    full, part = job(A=np.zeros((1, 3)), B=np.zeros((1, 3))), job(A=np.zeros((1, 3)))
    assert key(full) == key(full) != key(part)
