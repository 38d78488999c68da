"""`certiflex central grid`: import, check, show and export grids."""
