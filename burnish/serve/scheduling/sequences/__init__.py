"""Models that keep something from one request to the next: a sequence's place, and what its requests are told."""
