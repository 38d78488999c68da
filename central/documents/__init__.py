"""The market's documents: one file each, described once; JSON, bytes and schema follow from it."""
