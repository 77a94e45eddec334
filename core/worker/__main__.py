"""``python -m core.worker RUN_FOLDER``: core.runs.launch starts it so."""

import sys
from pathlib import Path

from core.people.acting import as_server
from core.worker import work
from core.worker.priority import give_way

give_way()
as_server()  # in threads too
sys.exit(work(Path(sys.argv[1]).resolve()))
