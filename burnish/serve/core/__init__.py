"""The server between the protocols and the models: find, check, schedule, answer."""
