"""The TSO, simulated: its own need at each primary substation. Pure."""
