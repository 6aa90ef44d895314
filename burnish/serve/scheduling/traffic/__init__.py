"""Which version answers a request: by weights, and a second one in the shadow, whose answers are compared."""
