"""Folders to loaded models: versions, states, loading and unloading."""
