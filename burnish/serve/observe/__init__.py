"""What the server tells of itself: statistics, metrics, traces, logs, a page."""
