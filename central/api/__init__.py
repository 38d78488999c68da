"""The HTTP API of the Shared Customer Database."""
