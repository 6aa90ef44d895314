"""The commands about zeros among weights."""
