"""The gateway: admits what light nodes sign, delivers it, and anchors every window."""
