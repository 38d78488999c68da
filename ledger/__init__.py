"""The floor of the house: what is certified, and how anybody checks it."""
