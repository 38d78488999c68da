"""Grids of others: opened, converted, and every loss on the way told."""
