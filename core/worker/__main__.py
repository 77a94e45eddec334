"""``python -m core.worker RUN_FOLDER``: core.runs.launch starts it so."""

import sys
from pathlib import Path

from core.worker import work

sys.exit(work(Path(sys.argv[1]).resolve()))
