"""The same repository on a Ray cluster: `Gate`s take requests from Ray Serve's proxies, `Replica`s hold the models."""
