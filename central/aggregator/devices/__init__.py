"""What the devices of the customers can move: declared, and modelled. Pure."""
