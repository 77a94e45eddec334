"""The filters of the History page: who edited what, when, in which visit, of which image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import streamlit as st

from core.labels.apply import of_filter
from core.labels.journal import Edit, EditFilter, EditKind
from dashboard.wording import counted

ANYBODY, ANYTHING, ANY_TIME, ANY_VISIT = "Anybody", "Anything", "Any time", "Any visit"
BETWEEN = "Between …"
PERIODS = {"Last hour": 3_600, "Last 24 hours": 86_400, "Last 7 days": 604_800}
MOST_VISITS = 200
KIND_WORDS = {
    EditKind.LABEL: "relabelled",
    EditKind.CONFIRM: "confirmed",
    EditKind.EXCLUDE: "left out",
    EditKind.INCLUDE: "taken in again",
    EditKind.LOOK: "looked at blind",
    EditKind.SETTLE: "settled",
    EditKind.UNSURE: "not sure",
    EditKind.PROPOSE: "new class proposed",
    EditKind.UNDO: "taken back",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which edits to list.

    Attributes:
        chosen: By person, visit and time.
        kind: Only this kind; None for all.
        image: Only images whose id contains this; "" for all.
        name: Of this choice; it stays the same while "the last hour" moves on with the clock.
    """

    chosen: EditFilter
    kind: EditKind | None = None
    image: str = ""
    name: str = ""

    @property
    def is_narrow(self) -> bool:
        """Whether anything is filtered at all."""
        return self.chosen != EditFilter() or self.kind is not None or self.image != ""

    def lets_through(self, edit: Edit) -> bool:
        """Whether ``edit`` is to be listed."""
        return (
            self.kind in (None, edit.kind)
            and self.image.lower() in edit.item_id.lower()
            and self.chosen.lets_through(edit)
        )

    def targets(self, edits: Sequence[Edit]) -> tuple[list[Edit], list[Edit]]:
        """What to take back so that nothing of it is in force; for core.labels.apply.revert_edits."""
        return [edit for edit in of_filter(self.chosen)(edits)[0] if self.lets_through(edit)], []


def filters(edits: Sequence[Edit]) -> Wanted:
    """Draw the filters; returns what they ask for."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="history_filters"):
        who = st.selectbox(
            "Who", [ANYBODY, *sorted({edit.who for edit in edits})], key="history_who", width=150
        )
        person = None if who == ANYBODY else str(who)
        kinds = [kind for kind in KIND_WORDS if any(edit.kind is kind for edit in edits)]
        what = st.selectbox(
            "What", [ANYTHING, *(KIND_WORDS[kind] for kind in kinds)], key="history_what", width=160
        )
        since, until = _period(edits[-1].at if edits else 0.0)
        visits = _visits(edits, EditFilter(who=person, since=since, until=until))
        visit = st.selectbox(
            "Visit",
            [ANY_VISIT, *visits],
            format_func=lambda session: visits.get(session, ANY_VISIT),
            key="history_visit",
            width=260,
            help="What was edited from one opening of the page to its closing, or by one command.",
        )
        image = st.text_input("Image", key="history_image", placeholder="part of its id", width=150)
    session = visit if visit in visits else None
    kind = next((kind for kind, words in KIND_WORDS.items() if words == what), None)
    chosen = EditFilter(who=person, session=session, since=since, until=until)
    name = "|".join(
        str(one) for one in (who, what, visit, st.session_state.get("history_when"), until, image)
    )
    return Wanted(chosen, kind, image.strip(), name)


def _period(newest: float) -> tuple[float | None, float | None]:
    """From when, and until when; times that move with the clock are rounded to a minute."""
    chosen = st.selectbox("When", [ANY_TIME, *PERIODS, BETWEEN], key="history_when", width=150)
    if chosen in PERIODS:
        now = datetime.now().timestamp()
        return (now - PERIODS[str(chosen)]) // 60 * 60, None
    if chosen != BETWEEN:
        return None, None
    last = datetime.fromtimestamp(newest).date()
    days = st.date_input("Days", (last, last), key="history_days", width=220)
    picked = days if isinstance(days, tuple) else (days,)
    if not picked:
        return None, None
    return _midnight(picked[0]), _midnight(picked[-1] + timedelta(days=1))


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day).timestamp()


def _visits(edits: Sequence[Edit], chosen: EditFilter) -> dict[str, str]:
    """The sessions of the edits that ``chosen`` lets through, the newest first, in words."""
    found: dict[str, list[Edit]] = {}
    for edit in reversed(edits):
        if chosen.lets_through(edit):
            found.setdefault(edit.session, []).append(edit)
    return {
        session: f"{made[0].who} · {datetime.fromtimestamp(made[-1].at):%d %b %H:%M} · "
        f"{counted(len(made), 'edit')}"
        for session, made in list(found.items())[:MOST_VISITS]
    }
