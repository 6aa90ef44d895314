"""Who sends, and when: loops, processes."""
