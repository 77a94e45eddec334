"""Searching a recipe's fields for values that validate best. No torch, and Optuna only inside the worker."""
