"""The Shared Customer Database: evidence first, series derived from it."""
