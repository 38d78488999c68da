"""The central side: the Shared Customer Database and those who work on it."""
