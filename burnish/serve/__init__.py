"""The model server: plans, ONNX files and Python models over the KServe v2 protocol, as Triton's clients expect it."""
