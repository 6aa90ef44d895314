"""Softmax, and the name of the largest."""

import numpy as np
import triton_python_backend_utils as pb_utils

NAMES = np.array([b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine"], object)


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
            parts = np.exp(logits - logits.max(axis=1, keepdims=True))
            probability = (parts / parts.sum(axis=1, keepdims=True)).max(axis=1, keepdims=True)
            digit = NAMES[logits.argmax(axis=1)].reshape(-1, 1)
            outputs = [pb_utils.Tensor("DIGIT", digit), pb_utils.Tensor("PROBABILITY", probability)]
            responses.append(pb_utils.InferenceResponse(outputs))
        return responses
