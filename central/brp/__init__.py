"""The balance responsible party: programmes of points of delivery, frozen. Pure."""
