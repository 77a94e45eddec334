"""Where the parts of a long job are done: the choice in a form, and the start on what was chosen."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.engines import MOST_WORKERS, EngineName, EnginePlan, assign, engine_plan
from core.runs import launch
from core.runs.store import Run

TITLES: dict[EngineName, str] = {"local": "This machine", "ray": "Ray cluster"}
HELP = {
    "local": "{what} at the same time; they share the processors.",
    "ray": "{what} at the same time; 0 for as many as the cluster has room for.",
}
MANY, SHARDS = "Trainings", "Shards of features"


def draw(key: str, what: str = MANY) -> EnginePlan:
    """A popover with the choice; what is chosen is not tried out yet (``start`` does).

    Args:
        key: Of the form that it stands in.
        what: Is done side by side, in words.
    """
    name: EngineName = st.session_state.get(f"{key}_engine") or "local"
    n = int(st.session_state.get(f"{key}_{name}_workers", 1 if name == "local" else 0))
    with st.popover(_title(name, n), icon=":material/lan:", key=f"{key}_where"):
        return fields(key, what)


def fields(key: str, what: str = MANY) -> EnginePlan:
    """The choice itself, for a form that is a popover already. As ``draw``."""
    chosen: EngineName = st.segmented_control(
        "Where",
        list(TITLES),
        format_func=lambda one: TITLES[one],
        default="local",
        required=True,
        key=f"{key}_engine",
    )
    least = 1 if chosen == "local" else 0
    n_workers = st.number_input(
        "Side by side",
        least,
        MOST_WORKERS,
        least,
        key=f"{key}_{chosen}_workers",
        help=HELP[chosen].format(what=what),
    )
    address = ""
    if chosen == "ray":
        address = st.text_input(
            "Address",
            placeholder="the cluster of this machine",
            key=f"{key}_address",
            help="host:port, as `ray start --head` prints it. Empty: the one on this machine.",
        )
    return EnginePlan(chosen, address.strip(), int(n_workers))


def _title(name: EngineName, n: int) -> str:
    beside = f", {n} side by side" if n > 1 else ""
    return TITLES[name] + beside


def start(make: Callable[[], Run], plan: EnginePlan) -> None:
    """Make a run and start it where it was chosen; nothing is made where that cannot be.

    Raises:
        TidysetError: The engine cannot be used or reached, or the run cannot be made.
    """
    check(plan)
    launch.start(assign(make(), plan))


def check(plan: EnginePlan) -> None:
    """Raises TidysetError where what was chosen cannot be used or reached."""
    engine_plan(plan.name, plan.address, plan.n_workers or None)
