"""Files to graph: an ONNX model becomes an `onnx_ir.Model` in the newest opset, checked, inlined and shape-inferred."""

from burnish.importers.load import Imported, load_model

__all__ = ["Imported", "load_model"]
