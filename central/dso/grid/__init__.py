"""The grid: its model, its file, what is wrong with it, and where it comes from."""
