"""How well samples stand for a model's data: what clips, what has settled, and how two data sets differ."""
