"""Run by .ci/run in an environment that has only the wheel: all that the app needs must be inside it.

``uv run --isolated --no-project --with dist/tidyset-*.whl python tests/check_wheel.py``
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from streamlit.testing.v1 import AppTest

import core
import dashboard
from core.data.catalog import open_dataset
from core.workspace import Workspace

CHECKOUT = Path(__file__).resolve().parents[1]
installed = Path(dashboard.__file__).parent
assert CHECKOUT not in Path(core.__file__).resolve().parents, "this is the checkout, not the wheel"
assert (installed / ".streamlit" / "config.toml").exists()
for source in [*CHECKOUT.glob("dashboard/**/*.js"), *CHECKOUT.glob("dashboard/**/*.css")]:
    inside = installed / source.relative_to(CHECKOUT / "dashboard")
    assert inside.exists(), f"{inside} is not in the wheel"

with tempfile.TemporaryDirectory() as folder:
    assert len(open_dataset(Workspace(Path(folder)), "fashion-mnist-sample")) == 6_000
    test = AppTest.from_file(str(installed / "Home.py"), default_timeout=60).run()
    assert not test.exception, test.exception
    command = Path(sys.executable).with_name("tidyset")
    for words in (["data", "list"], ["db", "upgrade"]):
        subprocess.run([command, *words, "--json"], check=True, cwd=folder, stdout=subprocess.DEVNULL)
print("The wheel is complete:", distribution("tidyset").version)
