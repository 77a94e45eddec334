"""Data sets: what they are, how they are read, kept, split and summed up. Imports no torch."""
