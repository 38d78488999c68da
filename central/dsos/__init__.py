"""`certiflex central dso` and `central history`: what the DSO's platform works out, by hand."""
