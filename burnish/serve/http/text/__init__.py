"""JSON as Triton reads and writes it: its parser, its words for what it refuses, a tensor's data."""
