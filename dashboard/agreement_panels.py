"""The panels of the Agreement page: blind looks, how far people agree, and what they disagree about."""

from __future__ import annotations

import math

import streamlit as st

from core.data.dataset import Dataset, Task
from core.errors import NotFound
from core.evaluation.overlay import enlarged
from core.labels.agreement import Agreement, Conflict, choose_for_second_look, still_to_look
from core.labels.guard import blind_review
from core.labels.journal import EditKind, LabelJournal, NewEdit
from core.labels.kappa import Measure
from core.quality.queue import SELECTION, QueueRequest, build_queue
from core.workspace import Workspace
from dashboard import handover, links, memo, review
from dashboard.agreement_view import Looks
from dashboard.wording import counted, percent, plain

LOOKING = "looks"
"""In the address: the name of the items that are being looked at blind."""
ANYBODY = "anybody"
MOST_ROWS, SIDE = 200, 280
_SHEAF, _LAST, _SKIPPED = "agreement_sheaf", "agreement_last_settled", "agreement_skipped"


def nothing_decided() -> None:
    """What to do where nobody decided on a label."""
    with st.container(border=True, key="nothing_decided"):
        st.markdown(
            "**Nobody has decided on a label yet.** Once somebody has, a second, blind look shows how sure "
            "their labels are."
        )
        if st.button("Review labels", type="primary", icon=":material/fact_check:"):
            st.switch_page(links.RELABEL)


# ---------------------------------------------------------------- what to look at


def test_fixes(workspace: Workspace, dataset: Dataset, looks: Looks, who: str) -> None:
    """The corrections of test labels that count only after a blind look; nothing where there are none."""
    n = looks.guarded.fixes.n_unreviewed
    if not n:
        return
    items = blind_review(dataset, looks.guarded, looks.edits, seed=len(looks.edits))
    left = still_to_look(looks.edits, items, who)
    with st.container(border=True, key="test_fixes"):
        st.subheader("Corrections in the test split", anchor=False)
        st.markdown(
            f"A model suggested **{counted(n, 'correction')}** of test labels. Such corrections favour that "
            "model, so they count only once somebody saw the same without label and guess. Until then scores "
            "report them apart."
        )
        waiting = set(dataset.item_ids[looks.guarded.to_review].tolist()) & set(left)
        if not waiting:
            st.caption(
                "You have looked at all of them and saw something else: they are among the conflicts below. "
                "Settle them, or take them back in History."
            )
            return
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button(f"Look at {counted(len(left), 'image')} blind", type="primary", key="look_fixes"):
                _begin(workspace, left)
            st.caption("Other test images are mixed in, so that nothing gives away which were corrected.")


def second_looks(workspace: Workspace, looks: Looks, who: str) -> None:
    """Choose a share of what was decided, and look at it again without seeing what was said."""
    with st.container(border=True, key="second_looks"):
        st.subheader("Look again, blind", anchor=False)
        st.caption(
            "Images that were decided on come again, without label and guess. Yours show how far you agree "
            "with yourself, those of others how far you agree with them. A look changes no label."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            people = [*([who] if who in looks.decided else []), ANYBODY]
            people += [name for name in looks.decided if name != who]
            whose = st.selectbox(
                "Decided by", people, format_func=lambda name: "me" if name == who else name, width=180
            )
            share = st.slider("Share", 1, 100, 10, format="%d %%", key="second_share", width=220)
            seed = st.number_input(
                "Seed", 0, value=0, key="second_seed", width=120, help="Another seed draws other images."
            )
            by = None if whose == ANYBODY else whose
            drawn = choose_for_second_look(looks.edits, share / 100, seed=int(seed), who=by)
            left = still_to_look(looks.edits, drawn, who)
            if st.button(
                f"Look at {counted(len(left), 'image')} again",
                type="secondary" if looks.guarded.fixes.n_unreviewed else "primary",
                icon=":material/visibility_off:",
                disabled=not left,
                key="look_again",
            ):
                _begin(workspace, left)
        n_seen = len(drawn) - len(left)
        if n_seen:
            st.caption(f"{counted(n_seen, 'image')} of the {len(drawn):,} drawn you have looked at already.")


def _begin(workspace: Workspace, items: list[str]) -> None:
    name = handover.keep_selection(workspace, QueueRequest(SELECTION, item_ids=tuple(items)))
    st.query_params[LOOKING] = name
    st.rerun()


# ---------------------------------------------------------------- looking


def looking(workspace: Workspace, dataset: Dataset, looks: Looks, who: str) -> bool:
    """The blind review that the address asks for. Returns whether there is one."""
    name = st.query_params.get(LOOKING)
    if not name:
        return False
    try:
        kept = handover.kept_selection(workspace, name)
        there = dataset.find(kept) >= 0
        items = [item for item, is_there in zip(kept, there, strict=True) if is_there]
    except NotFound as error:
        st.warning(plain(str(error)), icon=":material/help:")
        items = []
    left = still_to_look(looks.edits, items, who)
    with st.container(horizontal=True, vertical_alignment="center", key="looking_bar"):
        if st.button("Back to the figures" if left else "See the figures", icon=":material/arrow_back:"):
            del st.query_params[LOOKING]
            st.session_state.pop(_SHEAF, None)
            st.rerun()
        if items:
            n_done = len(items) - len(left)
            st.progress(n_done / len(items), f"{n_done:,} of {counted(len(items), 'image')} looked at")
    if items and not left:
        st.success("All of them are looked at.", icon=":material/task_alt:")
    elif items:
        _component(workspace, dataset, name, left, who)
    return True


def _component(workspace: Workspace, dataset: Dataset, name: str, left: list[str], who: str) -> None:
    key = (dataset.cache_key, name, who)
    known = st.session_state.get(_SHEAF)
    state = memo.labels(workspace, dataset)
    if known is None or known[0] != key:
        request = QueueRequest(SELECTION, item_ids=tuple(left))
        queue = build_queue(dataset, request, state)
        shown = review.sheaf(f"{name}-{who}", dataset, request, queue, state, blind=True)
        known = st.session_state[_SHEAF] = (key, shown)
    offset = review.show(workspace, dataset, known[1], who=who, key="blind_review")
    if offset is not None:
        st.session_state[_SHEAF] = (key, review.turned(known[1], dataset, state, offset))
        st.rerun()


# ---------------------------------------------------------------- figures


def figures(found: Agreement) -> None:
    """Every figure of agreement, the one that says most as a sentence."""
    rows = [(f"{who} with themself", "Cohen's kappa", one) for who, one in found.with_self.items()]
    rows += [(f"{a} and {b}", "Cohen's kappa", one) for (a, b), one in found.pairs.items()]
    rows += [("All, where everybody looked", "Fleiss' kappa", found.fleiss)] if found.fleiss else []
    rows += [("All, where two or more looked", "Krippendorff's alpha", found.alpha)] if found.alpha else []
    if not rows:
        return
    with st.container(border=True, key="agreement_figures"):
        st.subheader("How far people agree", anchor=False)
        whom, (_, figure, one) = "between people" if found.alpha else f"of {rows[-1][0]}", rows[-1]
        st.markdown(_in_words(whom, figure, one))
        st.dataframe(
            [_row(*row) for row in rows],
            hide_index=True,
            key="agreement_rows",
            column_config={
                "Value": st.column_config.NumberColumn(format="%.2f", width="small"),
                "Same answer": st.column_config.NumberColumn(format="%.0f %%", width=100),
                "Images": st.column_config.NumberColumn(width="small"),
            },
        )
        followed = (
            f" {counted(found.n_followed, 'decision')} made after somebody else's do not count: who sees a "
            "label tends to follow it."
            if found.n_followed
            else ""
        )
        st.caption(
            "1 is full agreement, 0 what chance alone would give. Words after Landis and Koch (1977). "
            "Krippendorff (2004) relies on labels from an alpha of 0.80, and with care from 0.67. Intervals: "
            f"1,000 draws of images.{followed}"
        )


def _in_words(whom: str, figure: str, one: Measure) -> str:
    same = f"the same answer on {percent(one.agreed, 0)} of {counted(one.n_units, 'image')}"
    if one.value is None or one.ci95 is None:
        sentence = (
            f"**{same[0].upper() + same[1:]}** ({plain(whom)}). {figure} is not defined: all votes are one "
            "class."
        )
    else:
        low, high = one.ci95
        strength = one.strength[0].upper() + one.strength[1:]
        sentence = (
            f"**{strength} agreement** {plain(whom)}: {same}, {figure} {one.value:.2f} "
            f"(95 %: {low:.2f} to {high:.2f})."
        )
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def _row(who: str, figure: str, one: Measure) -> dict[str, object]:
    return {
        "Who": who,
        "Figure": figure,
        "Value": one.value,
        "95 %": f"{one.ci95[0]:.2f} to {one.ci95[1]:.2f}" if one.ci95 else "",
        "In words": one.strength or "not defined: one class",
        "Same answer": 100 * one.agreed,
        "Images": one.n_units,
    }


# ---------------------------------------------------------------- conflicts


def conflicts(workspace: Workspace, dataset: Dataset, found: Agreement, who: str) -> int | None:
    """The conflicts, one at a time to settle, and all as pictures. Returns the position that was opened."""
    there = dataset.find([one.item_id for one in found.conflicts]) >= 0
    known = [one for one, is_there in zip(found.conflicts, there, strict=True) if is_there]
    if not known:
        return None
    open_ones = [one for one in known if one.settled is None]
    with st.container(border=True, key="conflicts"):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader("Conflicts", anchor=False)
            st.caption(f"{len(open_ones):,} open, {len(known) - len(open_ones):,} settled", width="content")
            _take_back(workspace, dataset, who)
        if open_ones:
            _settle_one(workspace, dataset, _turn(dataset, open_ones), who, is_last=len(open_ones) == 1)
        else:
            st.success("Every conflict is settled.", icon=":material/task_alt:")
        return _all_conflicts(dataset, known)


def _all_conflicts(dataset: Dataset, known: list[Conflict]) -> int | None:
    """Every conflict with its picture and each person's vote; a row that is selected opens."""
    shown = known[:MOST_ROWS]
    positions = dataset.positions([one.item_id for one in shown]).tolist()
    rows = [
        {
            "Image": links.picture(dataset, position),
            "Id": one.item_id,
            **({"Class": one.class_name} if one.class_name else {}),
            **one.said,
            "Settled on": one.settled or "",
        }
        for position, one in zip(positions, shown, strict=True)
    ]
    picked = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        row_height=56,
        height="content" if len(rows) <= 8 else 480,
        column_config={"Image": st.column_config.ImageColumn(width=70)},
        key=f"conflict_rows_{len(known)}",
    )
    return positions[picked.selection.rows[0]] if picked.selection.rows else None


def _turn(dataset: Dataset, open_ones: list[Conflict]) -> Conflict:
    """The first that was not skipped; once all were, the one whose skipping is longest ago."""
    skipped = _skipped(dataset)
    return min(open_ones, key=lambda one: skipped.get((one.item_id, one.class_name), 0))


def _skipped(dataset: Dataset) -> dict[tuple[str, str | None], int]:
    """When each conflict was skipped in this visit, counted."""
    by_dataset = st.session_state.setdefault(_SKIPPED, {})
    return by_dataset.setdefault(dataset.cache_key, {})  # type: ignore[no-any-return]


def _skip(dataset: Dataset, one: Conflict) -> None:
    skipped = _skipped(dataset)
    skipped[one.item_id, one.class_name] = 1 + max(skipped.values(), default=0)
    st.rerun()


def _settle_one(workspace: Workspace, dataset: Dataset, one: Conflict, who: str, *, is_last: bool) -> None:
    """One image large, what each person said, and a button with a key for each answer."""
    position = int(dataset.positions([one.item_id])[0])
    answers = list(dict.fromkeys(one.said.values()))
    picture, side = st.columns([1, 2], gap="medium")
    with picture:
        pixels = enlarged(dataset.images.read(position), SIDE)
        alt = f"Image {one.item_id}"
        st.image(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels, width=SIDE, alt=alt)
    with side:
        st.markdown(f"**{plain(one.class_name or 'Which label is right?')}**")
        st.markdown("  \n".join(f":gray[{plain(name)}]  {plain(said)}" for name, said in one.said.items()))
        chosen: str | None = None
        with st.container(horizontal=True, key="settle"):
            for number, answer in enumerate(answers, start=1):
                shortcut = str(number) if number < 10 else None
                if st.button(answer, key=f"settle_{number}", type="primary", shortcut=shortcut):
                    chosen = answer
            if st.button("Skip", key="settle_skip", shortcut="s", disabled=is_last):
                _skip(dataset, one)
        others = _other_answers(dataset, answers)
        if others:
            chosen = chosen or st.selectbox(
                "Something else",
                others,
                index=None,
                key=f"settle_other_{one.item_id}_{one.class_name}",
                placeholder="None of these: choose",
                width=260,
            )
        st.caption(plain(one.item_id))
    if chosen:
        edit = NewEdit(one.item_id, EditKind.SETTLE, chosen, class_name=one.class_name, who=who)
        made = LabelJournal(workspace).append(dataset, [edit])
        st.session_state[_LAST] = (dataset.cache_key, made[0].number)
        st.rerun()


def _other_answers(dataset: Dataset, answers: list[str]) -> list[str]:
    if dataset.task is Task.MULTI_LABEL:
        return []
    return [name for name in dataset.classes if name not in answers]


def _take_back(workspace: Workspace, dataset: Dataset, who: str) -> None:
    """A button that undoes the last settlement of this visit."""
    of, number = st.session_state.get(_LAST, (None, 0))
    if of == dataset.cache_key and st.button("Take the last back", icon=":material/undo:", type="tertiary"):
        LabelJournal(workspace).append(dataset, [NewEdit("", EditKind.UNDO, undoes=number, who=who)])
        del st.session_state[_LAST]
        st.rerun()


def no_second_look(looks: Looks) -> None:
    """What the figures will be, where there are none yet."""
    n = math.ceil(sum(looks.decided.values()) * 0.1)
    st.info(
        "Nobody has looked twice yet, and no two people at one image. "
        f"Look at {counted(n, 'image')} again, and the figures appear here.",
        icon=":material/visibility:",
    )
