"""The light node: reads one meter every 4 s, signs, keeps, and delivers what it read."""
