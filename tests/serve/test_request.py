import numpy as np

from burnish.serve.request import NEWEST, Request, Tensor


def test_a_request_of_no_particular_version_asks_for_the_newest():
    tensor = Tensor("x", "FP32", np.zeros((2, 3), np.float32))
    request = Request("m", {"x": tensor})
    assert request.version == NEWEST
    assert tensor.shape == (2, 3)
