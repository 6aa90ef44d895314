"""Models made of models: the steps as a graph of named tensors."""
