"""The interface described: /openapi.json and the page at /docs."""
