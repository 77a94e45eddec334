"""Run by test_read_only.py in a process that may not write: every page, and every write, on a workspace.

``python -m tests.crash.read_only ROOT`` prints, as JSON, what broke on each page, and what each write said.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from core.errors import TidysetError
from tests.crash.pages import walked
from tests.crash.whole import CLOTHES
from tests.crash.writes import Write, does_without, writes


def said(write: Write) -> list[str]:
    """Kind, problem and mend of what a write raised; nothing where it worked."""
    try:
        write()
    except TidysetError as error:
        return [type(error).__name__, error.problem, error.mend]
    except Exception as error:
        return [type(error).__name__, str(error), ""]
    return []


def main() -> None:
    root = Path(sys.argv[1])
    os.environ["TIDYSET_WORKSPACE"] = str(root)
    pages = {one.page: [list(one.broke), list(one.errors), one.n_shown] for one in walked(CLOTHES)}
    told = {name: said(write) for name, write in writes(root).items()}
    without = {name: said(write) for name, write in does_without(root).items()}
    print(json.dumps({"pages": pages, "writes": told, "without": without}))


if __name__ == "__main__":
    main()
