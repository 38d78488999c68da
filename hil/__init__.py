"""The bench: simulated meters that really speak Modbus, and the faults they can have."""
