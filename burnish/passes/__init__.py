"""Passes make a graph better without changing its answers: one transformation per file."""
