"""`certiflex central market`: run sessions, look at them, and let anybody check them."""
