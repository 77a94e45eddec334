"""Figures from core's results: one template (template.py), one module a page; no page styles its own."""
