"""The floor of the house: what is certified, and how anybody checks it."""

__version__ = "0.1.0"
