"""Active learning: which unlabelled images to label next, so that few labels bring the most.

random            any
least-confident   the likeliest class is least likely (Lewis and Gale 1994)
margin            the two likeliest classes are closest (Scheffer et al. 2001)
entropy           the probabilities are most even
badge             large and different gradients (Ash et al. 2020, arXiv:1906.03671)
core-set          furthest from all that is labelled (Sener and Savarese 2018, arXiv:1708.00489)
typical           the most ordinary of each group without a label (Hacohen et al. 2022, arXiv:2202.02794)
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput

Floats = NDArray[np.float32]
STRATEGIES = ("random", "least-confident", "margin", "entropy", "badge", "core-set", "typical")
MOST_CANDIDATES, NEAR = 20_000, 20
AT_ONCE = 1_000
"""Images whose neighbours are looked up between two words on how far it is."""
GROUPED = 0.3
"""Share of the time of ``typical`` that grouping takes, about."""
OnShare = Callable[[float], None]


def choose(
    strategy: str,
    n: int,
    pred_probs: Floats,
    features: Floats,
    labelled: Floats,
    seed: int = 0,
    on_share: OnShare = lambda share: None,
) -> NDArray[np.int64]:
    """Rows of the unlabelled images to label next, the most wanted first.

    Args:
        strategy: One of STRATEGIES.
        n: How many; all where there are fewer.
        pred_probs: (m, K) of a model that was not trained on them. Where an image has several labels, each
            is a probability by itself, and an image is as unsure as its least sure label.
        features: (m, D) of the same images.
        labelled: (l, D) features of what is labelled already.
        seed: Of what is drawn.
        on_share: Told how much is done, 0 to 1.

    Raises:
        BadInput: There is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise BadInput(f"There is no strategy {strategy!r}.", f"Choose one of {', '.join(STRATEGIES)}.")
    rng = np.random.default_rng(seed)
    n = min(n, len(pred_probs))
    if strategy in ("random", "least-confident", "margin", "entropy"):
        wanted = rng.random(len(pred_probs)) if strategy == "random" else doubt(strategy, pred_probs)
        return np.argsort(-wanted, kind="stable")[:n]
    rows = np.sort(rng.permutation(len(pred_probs))[: max(n, MOST_CANDIDATES)])
    near = features[rows].astype(np.float32)
    if strategy == "badge":
        return rows[_badge(pred_probs[rows], near, n, rng, on_share)]
    if strategy == "core-set":
        return rows[_core_set(near, labelled.astype(np.float32), n, on_share)]
    return rows[_typical(near, labelled.astype(np.float32), n, seed, on_share)]


def doubt(strategy: str, pred_probs: Floats) -> Floats:
    """(m,) how unsure each image is; higher is less sure."""
    several = not np.allclose(pred_probs.sum(axis=1), 1, atol=1e-3)
    if several:
        sure: Floats = np.abs(pred_probs - 0.5).min(axis=1)
        return -sure
    top = np.sort(pred_probs, axis=1)[:, ::-1]
    if strategy == "least-confident":
        return 1 - top[:, 0]
    if strategy == "margin":
        return top[:, 1] - top[:, 0]
    entropy: Floats = -(pred_probs * np.log(np.maximum(pred_probs, 1e-12))).sum(axis=1)
    return entropy


def _badge(
    pred_probs: Floats, features: Floats, n: int, rng: np.random.Generator, on_share: OnShare
) -> NDArray[np.int64]:
    """k-means++ on the gradients of the last layer: error times features, never written out as such."""
    error = pred_probs.copy()
    guess = pred_probs.argmax(axis=1)
    error[np.arange(len(error)), guess] -= 1
    size = (error**2).sum(axis=1) * (features**2).sum(axis=1)
    chosen = [int(size.argmax())]
    distance = np.full(len(size), np.inf)
    while len(chosen) < n:
        on_share(len(chosen) / n)
        last = chosen[-1]
        product = (error @ error[last]) * (features @ features[last])
        distance = np.minimum(distance, np.maximum(size + size[last] - 2 * product, 0))
        distance[chosen] = 0
        total = distance.sum()
        odds = distance / total if total > 0 else None
        if odds is None:  # only copies of what is chosen are left
            left = np.setdiff1d(np.arange(len(size)), chosen)
            return np.array([*chosen, *left[: n - len(chosen)]], np.int64)
        chosen.append(int(rng.choice(len(size), p=odds)))
    return np.array(chosen, np.int64)


def _core_set(features: Floats, labelled: Floats, n: int, on_share: OnShare) -> NDArray[np.int64]:
    """Greedy k-centre: each time what is furthest from all that is labelled or chosen."""
    distance = np.full(len(features), np.inf, np.float32)
    steps = len(labelled) + n
    for done, one in enumerate(labelled):
        on_share(done / steps)
        distance = np.minimum(distance, ((features - one) ** 2).sum(axis=1))
    chosen: list[int] = []
    for done in range(n):
        on_share((len(labelled) + done) / steps)
        row = int(distance.argmax())
        chosen.append(row)
        distance = np.minimum(distance, ((features - features[row]) ** 2).sum(axis=1))
        distance[row] = -1
    return np.array(chosen, np.int64)


def _typical(features: Floats, labelled: Floats, n: int, seed: int, on_share: OnShare) -> NDArray[np.int64]:
    """As many groups as there will be labels; of each without one, the image with the nearest neighbours."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.neighbors import NearestNeighbors

    both = np.concatenate([features, labelled]) if len(labelled) else features
    k = min(len(labelled) + n, len(both), 500)
    groups = MiniBatchKMeans(k, random_state=seed, n_init=1, batch_size=2_048).fit_predict(both)
    near = min(NEAR, len(features) - 1)
    neighbours = NearestNeighbors(n_neighbors=near + 1).fit(features)
    parts = []
    for start in range(0, len(features), AT_ONCE):
        on_share(GROUPED + (1 - GROUPED) * start / len(features))
        distance, _ = neighbours.kneighbors(features[start : start + AT_ONCE])
        parts.append(distance[:, 1:].mean(axis=1))
    typicality = 1 / np.maximum(np.concatenate(parts), 1e-12)
    own = groups[: len(features)]
    n_labelled = np.bincount(groups[len(features) :], minlength=k)
    sizes = np.bincount(own, minlength=k)
    chosen: list[int] = []
    taken = np.zeros(len(features), np.bool_)
    while len(chosen) < n:
        order = np.lexsort((-sizes, n_labelled))  # fewest labels first, then the largest group
        for group in order:
            members = np.flatnonzero((own == group) & ~taken)
            if len(members) and len(chosen) < n:
                row = int(members[typicality[members].argmax()])
                chosen.append(row)
                taken[row] = True
                n_labelled[group] += 1
                break
    return np.array(chosen, np.int64)
