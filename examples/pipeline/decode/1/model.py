"""Reads binary PGM files: `P5`, width, height, largest value, then a byte for each pixel."""

import re

import numpy as np
import triton_python_backend_utils as pb_utils

HEADER = re.compile(rb"P5\s+(\d+)\s+(\d+)\s+(\d+)\s")


def decode(data):
    match = HEADER.match(data)
    if match is None:
        raise pb_utils.TritonModelException("the file is no binary PGM picture")
    width, height, largest = (int(n) for n in match.groups())
    pixels = np.frombuffer(data, np.uint8, offset=match.end())
    if (width, height) != (8, 8) or pixels.size != 64:
        raise pb_utils.TritonModelException(f"the picture has {width} x {height} pixels; 8 x 8 are expected")
    return pixels.reshape(1, 8, 8).astype(np.float32) / largest


class TritonPythonModel:
    def execute(self, requests):
        responses = []
        for request in requests:
            files = pb_utils.get_input_tensor_by_name(request, "FILE").as_numpy()
            try:
                images = np.stack([decode(file) for file in files.ravel()])
            except pb_utils.TritonModelException as error:
                problem = pb_utils.TritonError(str(error), pb_utils.TritonError.INVALID_ARG)
                responses.append(pb_utils.InferenceResponse(error=problem))
                continue
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("image", images)]))
        return responses
