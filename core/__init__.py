"""Tidyset's engine: data, labels, runs, training, evaluation. Needs no browser and no Streamlit.

See docs/architecture.md for the layout and for who may import whom.
"""

import os

__version__ = "0.1.0"

# Torch's threads wait for one another by spinning. On a machine that does anything else, such as showing
# the app, a thread that was interrupted keeps the others spinning for milliseconds: training was measured
# to be 10 times slower beside one other busy process. A short spin costs nothing when alone. It must be
# set before torch is loaded.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
