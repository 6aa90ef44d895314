"""How a request becomes bytes and an answer comes back, for each protocol."""
