"""The panels of the Prove page: start a proof, follow it, and read its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.data.dataset import Dataset
from core.errors import TidysetError
from core.evaluation.proof import ARMS
from core.files import Json
from core.labels.versions import training_changes_since
from core.quality import looks, proofs
from core.quality.arms import edits_of_version
from core.quality.plan import plan_proof
from core.runs.estimate import estimate
from core.runs.store import Run, RunState, list_runs, status
from core.workspace import Workspace
from dashboard import engine_choice, links
from dashboard.charts import prove as charts
from dashboard.charts.template import show
from dashboard.wording import counted, duration, figures_in, percent, plain, points

MOST_SEEDS = 20
WISHED = 0.01
TELL = {"gain": st.success, "loss": st.warning}
ICONS = {"gain": ":material/trending_up:", "loss": ":material/trending_down:"}
ANSWERS = {"given": "Labels as given", "corrected": "Corrected labels"}


def proofs_of(workspace: Workspace, dataset: Dataset) -> list[Run]:
    """The proofs on the data set as it is now, newest first."""
    runs = list_runs(workspace, dataset=dataset.name, kind=proofs.KIND)
    return [run for run in runs if run.fingerprint == dataset.fingerprint]


def nothing_trained() -> None:
    """What to do where there is no finished run."""
    with st.container(border=True, key="prove_no_runs"):
        st.markdown(
            "**There is no finished run yet.** A proof repeats a run's recipe before and after edits."
        )
        if st.button("Train a model", type="primary", icon=":material/model_training:"):
            st.switch_page(links.TRAIN)


def start(workspace: Workspace, dataset: Dataset, runs: Sequence[Run]) -> None:
    """Choose the run before the edits and the number of seeds, see how long it takes, and start."""
    with st.container(border=True, key="new_proof"):
        with st.container(horizontal=True, vertical_alignment="bottom"):
            by_name = {run.name: run for run in runs}
            chosen = st.selectbox(
                "Run before the edits",
                [*by_name],
                _before_the_edits(workspace, dataset, runs),
                key="prove_base",
                width=260,
            )
            n_seeds = st.number_input(
                "Seeds",
                2,
                MOST_SEEDS,
                proofs.N_SEEDS,
                key="prove_seeds",
                width=130,
                help="Trainings of each arm. Use 5 to 10 for gains under 2 points. Choose them before "
                "you look: whoever adds seeds until p is small finds gains that are not there.",
            )
            base = by_name[str(chosen)]
            n = training_changes_since(workspace, dataset, base.label_version)
            where = engine_choice.draw("prove")
            pressed = st.button("Prove it", type="primary", icon=":material/verified:", disabled=not n)
        if n:
            st.caption(_plan(workspace, dataset, base, n, int(n_seeds)))
            st.caption(plain(plan_proof(workspace, base, WISHED).text))
            _looked_before(workspace, dataset)
        else:
            _no_edits(base)
    if pressed:
        try:
            edits = edits_of_version(workspace, dataset, base.label_version)
            engine_choice.start(
                lambda: proofs.create_proof(workspace, base, edits, n_seeds=int(n_seeds)), where
            )
        except TidysetError as error:
            st.error(plain(str(error)), icon=":material/error:")
        else:
            st.session_state.pop("proof", None)
            st.rerun()


def _before_the_edits(workspace: Workspace, dataset: Dataset, runs: Sequence[Run]) -> int:
    """The newest run that has not learned from the edits already; the newest of all where all have."""
    changes: dict[int, int] = {}
    for index, run in enumerate(runs):
        version = run.label_version
        if version not in changes:
            changes[version] = training_changes_since(workspace, dataset, version)
        if changes[version]:
            return index
    return 0


def _plan(workspace: Workspace, dataset: Dataset, base: Run, n: int, n_seeds: int) -> str:
    """How many trainings of what, and how long they will take as far as that is known."""
    n_train = len(dataset.in_split("train"))
    one = estimate(base.recipe, n_train, dataset.images.uniform, list_runs(workspace, dataset=dataset.name))
    n_trainings = len(ARMS) * n_seeds - 1  # the run itself is one of them
    takes = f", about {duration(one.seconds * n_trainings)}" if one else ""
    return (
        f"{counted(n, 'training image')} changed since {plain(base.name)}. {n_trainings} trainings{takes}: "
        "before and after the edits, with as many random edits, and with the edited images left out."
    )


def _looked_before(workspace: Workspace, dataset: Dataset) -> None:
    """That these test images were used for a verdict before, where they were."""
    if (workspace.root / looks.FILE).exists():
        if earlier := looks.looks_at(workspace, dataset):
            st.warning(plain(looks.warning(earlier)), icon=":material/repeat:")
        if n_lost := looks.n_unreadable(workspace):
            st.warning(
                f"{counted(n_lost, 'line')} of {looks.FILE} cannot be read: earlier verdicts on these images "
                "may be missing from the level.",
                icon=":material/broken_image:",
            )


def _no_edits(base: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f"No image that {plain(base.name)} learned from has another label now: there is nothing to prove."
        )
        if st.button("Correct labels", icon=":material/fact_check:"):
            st.switch_page(links.RELABEL)


def pick(runs: Sequence[Run]) -> tuple[Json, Json] | None:
    """The finished proof to show, the newest unless another is chosen, and its figures on the right answers
    that are asked for; None where no proof is finished.
    """
    finished = {run.name: run for run in runs if status(run).state is RunState.FINISHED}
    if not finished:
        return None
    with st.container(horizontal=True, vertical_alignment="bottom"):
        name = st.selectbox(
            "Proof", [*finished], format_func=lambda name: _about(finished[name]), key="proof", width=340
        )
        value = proofs.read_proof(finished[str(name)])
        return value, _on_answers(value)


def _about(run: Run) -> str:
    edits, seeds = counted(run.job["n_edits"], "edit"), len(run.job["seeds"])
    return f"{run.name} · {run.job['base_name']}, {edits}, {seeds} seeds"


def result(value: Json, found: Json) -> None:
    """The verdict, the figures behind it, the arms and the classes.

    Args:
        value: The whole result.
        found: Its figures on the right answers to show.
    """
    tell, icon = TELL.get(found["outcome"], st.info), ICONS.get(found["outcome"], ":material/balance:")
    tell(figures_in(found["verdict"]), icon=icon)
    if warning := value.get("looks", {}).get("warning"):  # none in results from before looks were counted
        st.caption(f":material/repeat: {plain(warning)}")
    _figures(found)
    left, right = st.columns([2, 3])
    with left, st.container(border=True, height="stretch"):
        st.subheader(f"Change of {charts.measure_of(found)}", anchor=False)
        st.caption("Dot: mean. Bar: 95 % interval. Ticks: each seed. Gray: not significant.")
        show(charts.arms(found), f"prove_arms_{found['labels']}", _arms_in_words(found))
    with right:
        _classes(found)
    _about_test_labels(value)


def _on_answers(value: Json) -> Json:
    """The figures on the right answers that are asked for; those as given unless others are there."""
    if not value["on_corrected"]:
        return value
    chosen = st.segmented_control(
        "Right answers",
        [*ANSWERS],
        format_func=lambda key: ANSWERS[key],
        default="given",
        required=True,
        key="prove_answers",
        help="All arms are scored on the same test labels. The labels as given are the harder test.",
    )
    return value["on_corrected"] if chosen == "corrected" else value


def _figures(found: Json) -> None:
    before, after = found["arms"]["before"], found["arms"]["after"]
    measure = charts.measure_of(found).removeprefix("the ")
    p_value = float(found["p_value"])
    paid = float(found.get("p_value_for_looks", p_value))  # not in results from before looks were counted
    level = float(found.get("level", 0.05 * p_value / paid if paid else 0.05))
    below = f"significant below {level:.2g}"
    cards = (
        (
            f"{measure[0].upper()}{measure[1:]}",
            points(found["difference"], 2),
            _interval(found["ci95"]),
        ),
        (
            "Macro-F1",
            points(found["macro_f1_difference"], 2),
            _interval(found["macro_f1_ci95"]),
        ),
        ("p", _p(p_value), below),
        (
            "Minimum detectable difference",
            points(found["minimum_detectable"], 2).removeprefix("+"),
            "at 80 % power",
        ),
    )
    for column, (name, value, note) in zip(st.columns(4), cards, strict=True):
        column.metric(name, value, note, delta_color="off", delta_arrow="off", border=True, height="stretch")
    st.caption(
        f"Before and after the edits: {measure} {_change(before['accuracy'], after['accuracy'])}, "
        f"macro-F1 {_change(before['macro_f1'], after['macro_f1'])}."
    )


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _change(before: float, after: float) -> str:
    return f"{percent(before, 2).removesuffix(' %')} → {percent(after, 2)}"


def _interval(bounds: Sequence[float]) -> str:
    return f"95 %: {points(bounds[0], 2).removesuffix(' pt')} to {points(bounds[1], 2)}"


def _arms_in_words(found: Json) -> str:
    changes = [
        f"{charts.NAMES[arm]} {points(one['difference'], 2)}"
        for arm, one in found["arms"].items()
        if "difference" in one
    ]
    return f"Change of {charts.measure_of(found)} with its 95 % interval: {', '.join(changes)}"


def _classes(found: Json) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Recall by class", anchor=False)
        rows = [
            {
                "Class": one["name"],
                "Images": one["support"],
                "Before": 100 * one["recall_before"],
                "After": 100 * one["recall_after"],
                "Change": 100 * one["difference"],
                "p": one["p_value"],
            }
            for one in found["classes"]
        ]
        share = st.column_config.NumberColumn(format="%.1f %%", width="small")
        change = st.column_config.NumberColumn(format="%+.1f", width="small")
        p_value = st.column_config.NumberColumn(
            format="%.3f", width="small", help="Adjusted for all classes at once (Holm)."
        )
        st.dataframe(
            rows,
            hide_index=True,
            column_config={"Before": share, "After": share, "Change": change, "p": p_value},
            key=f"prove_classes_{found['labels']}",
        )


def _about_test_labels(value: Json) -> None:
    """What became of corrections in the test split that a model suggested."""
    other, tested = value["on_unreviewed"], value["test_edits"]
    if other:
        st.caption(
            f"{counted(tested['n_unreviewed'], 'correction')} of test labels were suggested by a model and "
            "not reviewed blind. They favour that model and do not count; with them the difference is "
            f"{points(other['difference'], 2)} ({_interval(other['ci95'])}, p = {other['p_value']:.3f})."
        )
    if value["n_placebo_missing"]:
        st.caption(
            f"The placebo lacks {counted(value['n_placebo_missing'], 'edit')}: no like image was left."
        )
