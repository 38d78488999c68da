"""What the platform tells and is told: results become documents, and documents measurements."""
