"""The guided tour: which of its steps one is at, a pure function of the next best step and what was seen.

Nothing but two visits is written down (that Explore, Evaluate and the comparison were looked at); all else
follows from the runs and the journal, so that the tour can be left, resumed or overtaken at any point.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from dashboard.next_step import Step
from dashboard.wording import counted, plain

WANTED = 5
"""Labels to correct: enough to know the keys, few enough for five minutes."""


class Stage(StrEnum):
    """The steps of the tour, in their order, as they are called."""

    LOOK = "Look"
    TRAIN = "Train"
    FIND = "Find"
    FIX = "Fix"
    RETRAIN = "Retrain"
    PROVE = "Prove"
    DONE = "Done"


STAGES = tuple(stage for stage in Stage if stage is not Stage.DONE)


@dataclass(frozen=True, slots=True)
class Pointer:
    """What to do at a stage.

    Attributes:
        text: One or two sentences; Markdown.
        page: Address of the page where it is done, as ``st.Page.url_path`` has it.
        title: That page's name in the navigation.
        key: Streamlit's key of the button there that does it; "" where reading is all.
    """

    text: str
    page: str
    title: str
    key: str = ""


def stage_of(step: Step, seen: Collection[str], n_corrected: int) -> Stage:
    """The stage that the next best step belongs to.

    Args:
        step: Of ``next_step`` for the tour's data set.
        seen: Stages whose page was opened while it was their turn.
        n_corrected: Labels corrected since the newest run's, on images that it learns from.
    """
    match step.target:
        case "train":
            return Stage.TRAIN if Stage.LOOK in seen else Stage.LOOK
        case "log":
            return Stage.TRAIN
        case "watch":
            return Stage.RETRAIN if step.run is not None and step.run.parent else Stage.TRAIN
        case "retrain":
            return Stage.RETRAIN if n_corrected >= WANTED else Stage.FIX
        case "verdict":
            return Stage.DONE if Stage.PROVE in seen else Stage.PROVE
        case _:
            return Stage.FIX if Stage.FIND in seen else Stage.FIND


def visited(stage: Stage, page: str, *, compares: bool) -> bool:
    """Whether ``page`` is what ``stage`` asks to look at; ``compares``: two runs are side by side there."""
    wanted = {Stage.LOOK: "explore", Stage.FIND: "evaluate", Stage.PROVE: "evaluate"}.get(stage)
    return page == wanted and (compares or stage is not Stage.PROVE)


def pointer(stage: Stage, step: Step, n_corrected: int, page: str) -> Pointer:
    """What to do at ``stage``, seen from ``page``."""
    name = plain(step.run.name) if step.run is not None else ""
    going = step.target == "watch"
    match stage:
        case Stage.LOOK:
            text = "See what is in the data before a model does: classes, brightness, pairs that look alike."
            return Pointer(text, "explore", "Explore")
        case Stage.TRAIN if going:
            text = f"{name} is training. Where the dashed line turns up, it begins to learn by heart."
            return Pointer(text, "train", "Train")
        case Stage.TRAIN:
            text = "Press **Start training**: half a minute or so. It goes on when the page is closed."
            return Pointer(text, "train", "Train", "start_training")
        case Stage.FIND:
            return Pointer(
                f"{name} is trained. See which classes it mixes up, and how sure it is.",
                "evaluate",
                "Evaluate",
            )
        case Stage.FIX if page == "evaluate":
            text = "Some of these mistakes are the label's. Press **Review the mistakes** and decide."
            return Pointer(text, "relabel", "Relabel", "review_mistakes")
        case Stage.FIX:
            text = (
                "The label is underlined: press the key of the right class, or Space where the label is "
                f"right. **{min(n_corrected, WANTED)} of {counted(WANTED, 'label')}** corrected."
            )
            return Pointer(text, "relabel", "Relabel")
        case Stage.RETRAIN if going:
            text = f"{name} learns from the corrected labels; recipe and seed are the same."
            return Pointer(text, "relabel", "Relabel")
        case Stage.RETRAIN:
            text = "Press **Retrain on the corrected labels**: only the labels differ."
            return Pointer(text, "relabel", "Relabel", "retrain")
        case Stage.PROVE:
            text = "Is the difference more than chance? Read the verdict on the same test images."
            return Pointer(text, "evaluate", "Evaluate", "see_comparison")
        case Stage.DONE:
            text = (
                "That was the loop. A few labels seldom move a model by more than chance; **Prove** trains "
                "over several seeds, with a placebo, and **Issues** finds more that is wrong."
            )
            return Pointer(text, "prove", "Prove")
