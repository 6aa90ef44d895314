"""The whole server: options to a running process, and its end."""
