"""Tidyset's engine: data, labels, runs, training, evaluation. Needs no browser and no Streamlit.

See docs/architecture.md for the layout and for who may import whom.
"""

__version__ = "0.1.0"
