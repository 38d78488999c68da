"""The local flexibility market: its book, clearing, reserve and outcomes. Pure."""
