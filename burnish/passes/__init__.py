"""Better graph, same answer: one transformation a file."""
