"""The DSO Technical Platform: grid and forecast in, documents out; nothing here reads or writes."""
