"""What the Embeddings page shows: a map joined to labels and a model's opinion, kept in memory by version."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import SPLITS, Dataset, Task
from core.data.tags import tags_version
from core.embeddings import label_lift
from core.embeddings.features import named
from core.embeddings.label_lift import LabelLift
from core.embeddings.maps import EmbeddingMap, MapRequest, find_map, load_map, load_neighbours
from core.embeddings.purity import Overlap, class_overlap, in_words
from core.errors import NotFound
from core.labels.versions import LabelState
from core.quality.evidence import newest_search
from core.runs.store import Run
from core.workspace import Workspace
from dashboard import embedding_map, evaluate_view, memo
from dashboard import embeddings_facts as facts
from dashboard.charts.template import BAD, GOOD, PALETTE, SPLIT_COLOURS
from dashboard.embedding_map import Attribute, Cloud, PlaceName
from dashboard.memo import remembered
from dashboard.wording import count, counted, percent

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

METHODS = {"fast-umap": "UMAP", "umap": "UMAP (reference)", "pca": "principal components"}
SPLIT_TITLES = {"train": "Training", "val": "Validation", "test": "Test"}
RIGHT, WRONG = 0, 1
YES_NO = (PALETTE[0], PALETTE[1])
MOST_NAMES = 60
MOST_LABELS = 40
"""Of several an image, that points can be coloured by."""
MOST_MODELS = 5
NO_NAMES, CLASS_NAMES, ISLAND_NAMES = "None", "Classes", "Islands"


@dataclass(frozen=True, eq=False)
class View:
    """A map and what is known of its points. Rows as in the map.

    Attributes:
        title: What the map is of, for people.
        labels: (n,) int64 newest labels, -1 unlabelled; of several labels an image: see ``names``.
        names: What labels and guesses are called; more than the classes where images have several labels.
        guess: (n,) int64, -1 where the model has none.
        confidence: (n,) float32, NaN without a guess.
        issue: (n,) float32, how likely the label is wrong, NaN where nobody asked.
        split: (n,) index into SPLITS.
        wrong: (n,) the share of ``n_models`` finished runs that guess otherwise than the label; NaN unknown.
        tags: (n,) the first tag of each point, an index into ``tag_names``; -1 without one.
        ground: (m, 2) the points that the contours are of: the map's own, or those it was placed on.
        overlap: The classes of each class's neighbours in feature space; None while they are not known.
        several: (n, K) 1 yes, 0 no, NaN unknown, where images have several labels; else None.
        lift: Instead of ``overlap``, how the images of each of several labels lie.
    """

    map: EmbeddingMap
    title: str
    n_classes: int
    names: tuple[str, ...]
    labels: Ints
    guess: Ints
    confidence: Floats
    issue: Floats
    split: NDArray[np.int8]
    wrong: Floats
    n_models: int
    tags: Ints
    tag_names: tuple[str, ...]
    ground: Floats
    overlap: Overlap | None
    several: Floats | None = None
    lift: LabelLift | None = None

    @property
    def has_guess(self) -> bool:
        """Whether a model's opinion is there."""
        return bool((self.guess >= 0).any())

    @cached_property
    def attributes(self) -> dict[str, Attribute]:
        """What the points can be coloured by."""
        found = {"label": embedding_map.classes("Label", self.labels, self.names, none="unlabelled")}
        if self.several is not None:
            found = {**self._yes_or_no, "label": replace(found["label"], title="Only label")}
        if self.has_guess:
            both = (self.labels >= 0) & (self.guess >= 0)
            correct = np.where(both, np.where(self.guess == self.labels, RIGHT, WRONG), -1)
            words = ("Right", "Wrong")
            found |= {
                "guess": embedding_map.classes("Guess", self.guess, self.names, none="no guess"),
                "correct": embedding_map.classes("Model is", correct, words, colours=(GOOD, BAD)),
                "confidence": embedding_map.score("Confidence", self.confidence, percent=True, unit=True),
            }
        if self.n_models > 1:
            found["runs"] = embedding_map.score("Runs that are wrong", self.wrong, percent=True, unit=True)
        if np.isfinite(self.issue).any():
            found["issue"] = embedding_map.score("Label error", self.issue, unit=True)
        colours = tuple(SPLIT_COLOURS[name] for name in SPLITS)
        titles = tuple(SPLIT_TITLES[name] for name in SPLITS)
        found["split"] = embedding_map.classes("Split", self.split, titles, colours=colours)
        if self.tag_names:
            found["tag"] = embedding_map.classes("Tag", self.tags, self.tag_names, none="no tag")
        return found

    @property
    def _yes_or_no(self) -> dict[str, Attribute]:
        """Of several labels an image: each by itself, those that halve the images best first."""
        assert self.several is not None
        yes, no = (np.asarray((self.several == value).sum(axis=0)) for value in (1, 0))
        halved = np.argsort(-np.minimum(yes, no), kind="stable")[:MOST_LABELS].tolist()
        values = np.where(np.isnan(self.several), -1, 1 - np.nan_to_num(self.several)).astype(np.int64)
        return {
            f"label-{k}": embedding_map.classes(
                f"{self.names[k]}: yes or no",
                values[:, k],
                ("yes", "no"),
                colours=YES_NO,
                none="unknown",
            )
            for k in halved
        }

    @cached_property
    def class_places(self) -> list[PlaceName]:
        """Where each class lies, the largest first."""
        from core.embeddings.landscape import centroids

        if self.several is not None:
            return self._label_places
        counts = np.bincount(self.labels[self.labels >= 0], minlength=len(self.names))
        places = centroids(self.map.xy, self.labels, len(self.names))
        order = [int(k) for k in np.argsort(-counts, kind="stable")[:MOST_NAMES] if counts[k]]
        return [PlaceName(self.names[k], float(places[k, 0]), float(places[k, 1]), k) for k in order]

    @property
    def _label_places(self) -> list[PlaceName]:
        """Where each of several labels lies, the most frequent first."""
        from core.embeddings.landscape import centroids

        assert self.several is not None
        yes = self.several == 1
        order = [int(k) for k in np.argsort(-yes.sum(axis=0), kind="stable")[:MOST_NAMES] if yes[:, k].any()]
        places = [centroids(self.map.xy, np.where(yes[:, k], 0, -1), 1)[0] for k in order]
        return [PlaceName(self.names[k], float(x), float(y)) for k, (x, y) in zip(order, places, strict=True)]

    @cached_property
    def island_places(self) -> list[PlaceName]:
        """The dense parts of the map by name, the largest first."""
        from core.embeddings.landscape import islands

        labels = self.labels if self.several is None else self.several
        found, _ = islands(self.map.xy, labels, self.names)
        return [PlaceName(one.name, one.x, one.y) for one in found[:MOST_NAMES]]

    @cached_property
    def contours(self) -> Floats:
        """(m, 2, 2) lines around the densest half, four fifths and nineteen twentieths of ``ground``."""
        from core.embeddings.landscape import contours, density, mass_levels

        found = density(self.ground)
        return np.concatenate([contours(found, level) for level in mass_levels(found.grid)])

    @property
    def sentences(self) -> list[str]:
        """Which classes the features mix, in words; nothing while that is not known."""
        if self.lift is not None:
            return label_lift.in_words(self.lift, self.names)
        return [] if self.overlap is None else in_words(self.overlap, self.names)

    def cell(self, given: int, predicted: int) -> Mask:
        """(n,) the points of one cell of the confusion matrix."""
        return np.asarray((self.labels == given) & (self.guess == predicted))

    def rows_of(self, positions: Ints) -> Ints:
        """Rows of the given items, in their order, without those that the map lacks."""
        rows = np.searchsorted(self.map.positions, positions)
        rows = np.minimum(rows, len(self.map) - 1)
        return np.asarray(rows[self.map.positions[rows] == positions])

    def confusion(self, rows: Ints) -> Ints:
        """(K, K) counts of labels (rows) and guesses (columns) among some points."""
        labels, guess = self.labels[rows], self.guess[rows]
        both = (labels >= 0) & (guess >= 0)
        k = len(self.names)
        return np.bincount(labels[both] * k + guess[both], minlength=k * k).reshape(k, k).astype(np.int64)

    def cloud(
        self, dataset: Dataset, colour: str, names: str, marks: Mask | None, *, contours: bool = False
    ) -> Cloud:
        """What the component draws."""
        places = {CLASS_NAMES: self.class_places, ISLAND_NAMES: self.island_places}.get(names, [])
        if names == CLASS_NAMES and colour not in ("label", "guess"):
            places = [replace(place, value=-1) for place in places]
        everything = np.array_equal(self.map.positions, np.arange(len(dataset)))
        return Cloud(
            self.map.xy,
            None if everything else self.map.positions,
            self.attributes,
            colour,
            ("label", "guess", "confidence", "issue", "tag"),
            places,
            marks,
            self.contours if contours else None,
            title=f"Map of {count(len(self.map))} images: {self.title}",
            summary=self.summary,
            file=f"{dataset.name}-map",
        )

    @property
    def figures(self) -> str:
        """How many images of how many classes, and how far to trust the map, in a line."""
        kinds = (
            counted(len(self.class_places), "class", "classes") if self.several is None else "several labels"
        )
        parts = [f"{count(len(self.map))} images of {kinds}."]
        if (quality := self.map.quality) is not None:
            parts.append(
                f"Trustworthiness {quality.trustworthiness:.2f}, continuity {quality.continuity:.2f}."
            )
            if quality.purity is not None:
                parts.append(f"{percent(quality.purity, 0)} of neighbours share a label.")
        return " ".join(parts)

    @property
    def summary(self) -> str:
        """The map in words, for who does not see it."""
        keys = "Arrows move, plus and minus zoom, Enter opens the image in the middle, Control A selects."
        return " ".join([self.figures, *self.sentences, keys])


def title_of(workspace: Workspace, request: MapRequest) -> str:
    """What a map is of: features and method, for people."""
    source = named(workspace, request.source)
    method = METHODS[request.method]
    if request.onto:
        try:
            method = f"placed on {find_map(workspace, request.onto).name}"
        except NotFound:
            method = "placed on a deleted map"
    return f"{source.title}, {method}"


def view_of(workspace: Workspace, dataset: Dataset, made: Run, judge: Run | None) -> View:
    """The map of a run under the newest labels, with a model's opinion; shared by all sessions.

    Raises NotFound while nothing of the map is there.
    """
    state = memo.labels(workspace, dataset)
    single = dataset.task is Task.SINGLE_LABEL
    search = newest_search(workspace, dataset) if single else None
    others = evaluate_view.finished_runs(workspace, dataset)[:MOST_MODELS] if single else []
    tagged = tags_version(workspace, dataset)
    return _view(workspace, dataset, state, made, judge, search, tuple(others), tagged)


@remembered()
def _view(
    workspace: Workspace,
    dataset: Dataset,
    state: LabelState,
    run: Run,
    judge: Run | None,
    search: Run | None,
    others: tuple[Run, ...],
    tagged: str,
) -> View:
    made = load_map(run)
    names, labels = facts.labels_in_words(dataset, state)
    guess, confidence = facts.opinion(dataset, judge)
    issue = facts.issues(dataset, search)
    tag_names, tags = facts.first_tags(workspace, dataset)
    at = made.positions
    several = None if dataset.task is Task.SINGLE_LABEL else np.asarray(state.labels, np.float32)[at]
    return View(
        map=made,
        title=title_of(workspace, made.request),
        n_classes=len(dataset.classes),
        names=names,
        labels=labels[at],
        guess=guess[at],
        confidence=confidence[at],
        issue=issue[at],
        split=np.asarray(dataset.split)[at],
        wrong=facts.share_of_wrong(dataset, labels, others)[at],
        n_models=len(others),
        tags=tags[at],
        tag_names=tag_names,
        ground=_ground(workspace, made),
        overlap=_overlap(run, labels[at], len(names)) if several is None else None,
        several=several,
        lift=None if several is None else _lift(run, several),
    )


def _ground(workspace: Workspace, made: EmbeddingMap) -> Floats:
    """(m, 2) the points of the map that this one was placed on, while it is there; else its own."""
    if not made.request.onto:
        return made.xy
    try:
        return load_map(find_map(workspace, made.request.onto)).xy
    except NotFound:
        return made.xy


def _lift(made: Run, several: Floats) -> LabelLift | None:
    try:
        return label_lift.label_lift(load_neighbours(made), several)
    except NotFound:
        return None


def _overlap(made: Run, labels: Ints, n_classes: int) -> Overlap | None:
    try:
        neighbours = load_neighbours(made)
    except NotFound:
        return None
    return class_overlap(neighbours, labels, n_classes) if (labels >= 0).any() else None
