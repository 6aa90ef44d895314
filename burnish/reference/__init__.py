"""What a node without a native kernel computes: onnx's evaluator, with our definitions where it is wrong."""
