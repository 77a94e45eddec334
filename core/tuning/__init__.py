"""Searching a recipe's fields for values that validate best. No torch, and Optuna only inside the worker."""

DEFAULT_SPACE = ("learning_rate=1e-4..3e-2:log", "dropout=0..0.6", "epochs=3..15")
"""What is searched where nothing is said; here, for `tidyset --help`, which needs no recipe to be built."""
