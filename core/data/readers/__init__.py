"""Readers, one module a format. Each says whether a source is of its format, from the content."""
