"""Python models (`model.py` with a TritonPythonModel), each instance in a process of its own."""
