"""The shared kernel: values that cross a process border. Standard library only."""
