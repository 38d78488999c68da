"""Sessions: what the actors do in turn, and the only place that reads, writes and publishes."""
