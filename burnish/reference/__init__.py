"""The reference kernels for nodes without a native kernel: onnx's evaluator, with our definitions where it is wrong."""
