"""Grids of others: opened, converted, and every loss on the way told."""

MADE_UP_PODS = "IT999E"
