"""The one way to make a figure."""

from __future__ import annotations

import subprocess
import sys

IN_A_FRESH_PROCESS = """
import importlib.abc, sys, threading, time

loading = threading.Event()


class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "pandas.core":
            loading.set()
            time.sleep(1)  # pandas is in sys.modules now, with nothing in it


sys.meta_path.insert(0, Slow())
from dashboard.charts.template import figure

threading.Thread(target=__import__, args=("pandas",)).start()
assert loading.wait(60)
figure().add_bar(x=[1], y=[2], hovertemplate="%{x}").to_dict()
"""


def test_a_figure_can_be_made_while_another_thread_imports_pandas() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IN_A_FRESH_PROCESS], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
