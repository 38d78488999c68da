"""Meters: what they speak (Modbus), and what their registers mean (profiles, which are data)."""
