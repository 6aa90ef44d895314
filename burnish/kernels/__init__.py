"""The language of kernels: what lowering writes and targets read. See README.md."""
