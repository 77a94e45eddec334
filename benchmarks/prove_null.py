"""How often "did it help?" says yes or no where nothing differs: at most one time in twenty.

``uv run python benchmarks/prove_null.py [--worlds 2000] [--items 1000] [--only NAME] [--quick] [--json]``

A null world: four arms of S trainings each that differ by luck only. An item has a difficulty; a training has
luck that it shares over all items; an arm may have a taste, being better at some items and worse at others,
equal on average. A false verdict is one that says otherwise, by the code that the app uses. Beside it stands
the power where one arm has a real gain, that of the paired t-test over the same seeds (at its own 5 %), and
that of the same t-test where it is made as careful as ours ("at equal size"): its power where it gives as
many false verdicts. The t-test asks about these test images only, so where arms have tastes it finds
differences that other images would not show.

plain, no luck, much luck   three seeds, 4 arms
few seeds                   two seeds; ten seeds
groups                      images that are copies of each other by fives and twenties
looks                       five, and twenty, proofs on the same test images, each with more useless edits
several labels              ten labels an image, which go wrong together
unequal luck                the arm after the edits has three times the luck of the others: a limit
placebo                     the edits help, and as many random edits help as much: "gain" is wrong
macro-F1                    its 95 % interval excludes 0, with two seeds
two models, one image       the comparison of two runs; of several labels, where few images differ
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quick import parse
from core.evaluation.crossed import Right, effect, grouped_sums, sign_flip
from core.evaluation.paired import mcnemar_exact
from core.evaluation.proof import ARMS, FIRST_LEVEL, look_level, make_proof
from core.json_text import json_text

Rng = np.random.Generator
Answers = dict[str, float]
N_ARMS = 4
GAIN = 0.35
"""Logits by which the second arm is better where there is a gain: 2.5 to 3.5 points of accuracy."""
LUCK, TASTE = 0.15, 0.5
"""In logits; luck of 0.05, 0.15 and 0.3 moves accuracy by about 0.5, 1.3 and 2.6 points."""


def wilson_interval(n: int, of: int) -> tuple[float, float]:
    """95 % interval of a share."""
    z = 1.959963984540054
    middle, half = n + z * z / 2, z * np.sqrt(n * (of - n) / of + z * z / 4)
    return float((middle - half) / (of + z * z)), float((middle + half) / (of + z * z))


def world(
    rng: Rng,
    *,
    n_items: int,
    luck: float | tuple[float, ...] = LUCK,
    taste: float = TASTE,
    n_seeds: int = 3,
    gain: float = 0.0,
    copies: int = 1,
) -> Right:
    """(4, S, n) bool: which training is right about which item; ``gain`` logits more for arm 1.

    Args:
        luck: Of all arms, or of each.
        copies: Items that are copies of each other, and mostly answered alike.
    """
    n = n_items // copies
    logit = rng.normal(2.0, 2.5, n) + rng.normal(0, 0.3, (1, n_seeds, 1))
    lucks = np.broadcast_to(np.asarray(luck, np.float64), (N_ARMS,))[:, None, None]
    logit = logit + rng.normal(0, 1, (N_ARMS, n_seeds, 1)) * lucks + rng.normal(0, taste, (N_ARMS, 1, n))
    logit = logit + gain * (np.arange(N_ARMS) == 1)[:, None, None] + rng.logistic(size=(N_ARMS, n_seeds, n))
    if copies > 1:
        logit = np.repeat(logit, copies, axis=2) + rng.normal(0, 0.3, (N_ARMS, n_seeds, n * copies))
    return np.asarray(logit > 0)


def paired_t(right: NDArray[Any]) -> float:
    """The p-value of the paired t-test over seeds, arm 1 against arm 0."""
    from scipy import stats

    gaps = right[1].mean(axis=1) - right[0].mean(axis=1)
    error = gaps.std(ddof=1) / np.sqrt(len(gaps))
    if error == 0:
        return float(gaps[0] == 0)
    return float(2 * stats.t.sf(abs(gaps.mean()) / error, len(gaps) - 1))


def proof_world(rng: Rng, gain: float, *, n_items: int, copies: int = 1, **about: Any) -> Answers:
    """The p-value of the verdict and its rivals; everything is compared with its own level."""
    right = world(rng, n_items=n_items, copies=copies, gain=gain, **about)
    groups = np.arange(right.shape[2]) // copies if copies > 1 else None
    found = effect(right, 0, 1, groups=groups, level=FIRST_LEVEL)
    gap = right[1].astype(np.int64) - right[0]
    answers = {
        "ours": found.p_value * 0.05 / FIRST_LEVEL,
        "paired_t": paired_t(right),
        "items_only": sign_flip(grouped_sums(gap.sum(axis=0), groups)),
        "mcnemar_one_seed": mcnemar_exact(int((gap[0] < 0).sum()), int((gap[0] > 0).sum())),
    }
    if copies > 1:
        answers["ours_without_groups"] = effect(right, 0, 1).p_value * 0.05 / FIRST_LEVEL
    return answers


def looks_world(rng: Rng, gain: float, *, n_items: int, n_looks: int, n_seeds: int = 3) -> Answers:
    """The smallest p-value of all looks, paid for and naive; each look adds useless edits to the last."""
    base = rng.normal(2.0, 2.5, n_items) + rng.normal(0, 0.3, (1, n_seeds, 1))

    def trained(taste: NDArray[Any], gain: float) -> NDArray[Any]:
        luck = rng.normal(0, LUCK, (n_seeds, 1))
        return np.asarray(base[0] + taste + luck + gain + rng.logistic(size=(n_seeds, n_items)) > 0)

    controls = [trained(rng.normal(0, TASTE, n_items), 0) for _ in range(3)]
    taste, number = np.zeros(n_items), 1
    paid, naive = [1.0], [1.0]
    for _ in range(n_looks):
        taste = taste + rng.normal(0, TASTE / np.sqrt(n_looks), n_items)
        right = np.stack([controls[0], trained(taste, gain), *controls[1:]])
        p_value = effect(right, 0, 1).p_value
        paid.append(p_value * 0.05 / look_level(number))
        naive.append(p_value)
        number += p_value >= look_level(number)
    return {"ours": min(paid), "naive": min(naive), "first_look": paid[1]}


def several_world(rng: Rng, gain: float, *, n_items: int, n_labels: int = 10, n_seeds: int = 3) -> Answers:
    """Ten labels an image, which are right and wrong together."""
    image = rng.normal(0, 1.5, (n_items, 1)) + rng.normal(2.0, 1.5, (n_items, n_labels))
    luck = rng.normal(0, LUCK, (N_ARMS, n_seeds, 1, 1)) + gain * (np.arange(N_ARMS) == 1)[:, None, None, None]
    taste = rng.normal(0, TASTE, (N_ARMS, 1, n_items, 1))
    shared = rng.normal(0, 1.5, (N_ARMS, n_seeds, n_items, 1))
    cells = image + luck + taste + shared + rng.logistic(size=(N_ARMS, n_seeds, n_items, n_labels)) > 0
    right = cells.sum(axis=3)
    found = effect(right, 0, 1, asked=np.full(n_items, n_labels), level=FIRST_LEVEL)
    one = right[1, 0] - right[0, 0]
    pooled = cells[1, 0].astype(np.int64) - cells[0, 0]
    return {
        "ours": found.p_value * 0.05 / FIRST_LEVEL,
        "paired_t": paired_t(right),
        "sign_flip_one_seed": sign_flip(one),
        "mcnemar_of_all_labels": mcnemar_exact(int((pooled < 0).sum()), int((pooled > 0).sum())),
    }


def placebo_world(rng: Rng, gain: float, *, n_items: int) -> Answers:
    """0 where the verdict is "gain": with no ``gain``, the edits and the placebo help alike."""
    right = world(rng, n_items=n_items, gain=0.6 + gain)
    right[2] = world(rng, n_items=n_items, gain=0.6)[1] if gain else right[2]
    if not gain:  # the placebo is another draw of the same
        logit = rng.normal(2.0, 2.5, n_items)
        luck = rng.normal(0, LUCK, (N_ARMS, 3, 1)) + 0.6 * np.array([0, 1, 1, 0])[:, None, None]
        taste = rng.normal(0, TASTE, (N_ARMS, 1, n_items))
        right = logit + luck + taste + rng.logistic(size=(N_ARMS, 3, n_items)) > 0
    proof = make_proof(
        ("wrong", "right"),
        (0, 1, 2),
        np.ones(n_items, np.int64),
        {arm: one.astype(np.int64) for arm, one in zip(ARMS, right, strict=True)},
    )
    means = proof.effect.p_value < 0.05 and proof.accuracy("after") > proof.accuracy("placebo")
    return {"ours": float(proof.outcome != "gain"), "comparison_of_means": float(not means)}


def macro_f1_world(rng: Rng, gain: float, *, n_items: int, n_seeds: int = 2) -> Answers:
    """0 where the interval of the difference in macro-F1 excludes 0."""
    right = world(rng, n_items=n_items, n_seeds=n_seeds, gain=gain)
    labels = rng.choice(5, n_items, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    wrong = (labels + rng.integers(1, 5, right.shape)) % 5
    predicted = dict(zip(ARMS, np.where(right, labels, wrong), strict=True))
    proof = make_proof(tuple("abcde"), tuple(range(n_seeds)), labels, predicted)
    low, high = proof.macro_f1_ci95
    draws = [proof.macro_f1s("after")[s] - proof.macro_f1s("before")[s] for s in range(n_seeds)]
    return {"ours": float(low <= 0 <= high), "all_seeds_agree": float(min(draws) <= 0 <= max(draws))}


def models_world(rng: Rng, gain: float, *, n_items: int, copies: int = 1) -> Answers:
    """Two models, by one training each, without luck: which is better on other images."""
    right = world(rng, n_items=n_items, n_seeds=1, luck=0.0, gain=gain, copies=copies)[:2, 0]
    gap = right[1].astype(np.int64) - right[0]
    groups = np.arange(len(gap)) // copies if copies > 1 else None
    mcnemar = mcnemar_exact(int((gap < 0).sum()), int((gap > 0).sum()))
    return {"ours": sign_flip(grouped_sums(gap, groups)), "mcnemar": mcnemar}


def image_world(rng: Rng, gain: float, *, n_images: int, n_labels: int = 40) -> Answers:
    """Two models that differ on few images, each of which turns many labels one way or the other."""
    up = rng.random(n_images) < 0.5 + 0.5 * min(gain, 1.0)
    sums = np.where(up, 1, -1) * rng.integers(1, n_labels, n_images)
    n_up, n_down = int(sums[sums > 0].sum()), int(-sums[sums < 0].sum())
    return {"ours": sign_flip(sums), "mcnemar_of_all_labels": mcnemar_exact(n_down, n_up)}


@dataclass(frozen=True)
class World:
    """A kind of world: what makes one (rng, gain, n_items=...), and what is special about it."""

    make: Callable[..., Answers]
    is_limit: bool = False
    has_size: bool = True
    gain: float = GAIN


WORLDS: Mapping[str, World] = {
    "plain": World(proof_world),
    "no luck": World(partial(proof_world, luck=0.0, taste=0.0)),
    "much luck": World(partial(proof_world, luck=0.3, taste=1.0), gain=0.8),
    "luck, no taste": World(partial(proof_world, luck=0.3, taste=0.0), gain=0.6),
    "few seeds": World(partial(proof_world, n_seeds=2), gain=0.6),
    "five seeds": World(partial(proof_world, n_seeds=5, taste=0.0)),
    "ten seeds": World(partial(proof_world, n_seeds=10, taste=0.0), gain=0.2),
    "groups of 5": World(partial(proof_world, copies=5), gain=0.6),
    "groups of 20": World(partial(proof_world, copies=20), gain=0.8),
    "five looks": World(partial(looks_world, n_looks=5)),
    "twenty looks": World(partial(looks_world, n_looks=20)),
    "several labels": World(several_world),
    "unequal luck": World(partial(proof_world, luck=(0.1, 0.3, 0.1, 0.1)), is_limit=True, gain=0.6),
    "placebo": World(placebo_world, gain=0.6),
    "macro-F1, two seeds": World(macro_f1_world, gain=0.6),
    "two models": World(models_world),
    "two models, groups of 5": World(partial(models_world, copies=5), gain=0.6),
    "one image": World(partial(image_world, n_images=1), has_size=False, gain=1.0),
    "five images": World(partial(image_world, n_images=5), has_size=False, gain=1.0),
    "twelve images": World(partial(image_world, n_images=12), has_size=False, gain=1.0),
}


def simulate(name: str, *, n_worlds: int, n_items: int, gain: float = 0.0, seed: int = 0) -> dict[str, Any]:
    """By test, (n_worlds,) p-values, which say something below 0.05."""
    kind, rng = WORLDS[name], np.random.default_rng(seed)
    sizes = {"n_items": n_items} if kind.has_size else {}
    found = [kind.make(rng, gain, **sizes) for _ in range(n_worlds)]
    return {test: np.array([one[test] for one in found]) for test in found[0]}


def rate(p_values: NDArray[Any], level: float = 0.05) -> dict[str, Any]:
    """How often a test says something, with its 95 % interval."""
    n = int((p_values < level).sum())
    return {"rate": n / len(p_values), "ci95": list(wilson_interval(n, len(p_values)))}


def row(name: str, *, n_worlds: int, n_items: int) -> dict[str, Any]:
    """One kind of world: false verdicts and power of each test."""
    null = simulate(name, n_worlds=n_worlds, n_items=n_items)
    kind = WORLDS[name]
    gains = simulate(name, n_worlds=max(n_worlds // 4, 50), n_items=n_items, gain=kind.gain, seed=1)
    power = {test: rate(p_values) for test, p_values in gains.items()}
    if "paired_t" in null:
        size = float((null["ours"] < 0.05).mean())
        careful = float(np.quantile(null["paired_t"], size)) if size else 0.0
        power["paired_t_at_equal_size"] = rate(gains["paired_t"], careful)
    return {
        "world": name,
        "limit": kind.is_limit,
        "false_verdicts": {test: rate(p_values) for test, p_values in null.items()},
        "power": power,
    }


def detectable_power(*, n_seeds: int, n_worlds: int, n_items: int, taste: float = TASTE) -> dict[str, Any]:
    """How often a true difference of the size that null worlds call detectable is found."""
    rng = np.random.default_rng(2)
    about = {"n_items": n_items, "n_seeds": n_seeds, "taste": taste}
    null = [effect(world(rng, **about), 0, 1, level=FIRST_LEVEL) for _ in range(n_worlds)]
    target = float(np.median([one.detectable for one in null]))
    gains = np.linspace(0, 2.5, 26)
    big = [_accuracy_gain(rng, float(gain), taste) for gain in gains]
    gain = float(np.interp(target, big, gains))
    found = [effect(world(rng, gain=gain, **about), 0, 1).p_value for _ in range(n_worlds)]
    return {"seeds": n_seeds, "detectable": target, **rate(np.array(found), FIRST_LEVEL)}


def _accuracy_gain(rng: Rng, gain: float, taste: float) -> float:
    """Points of accuracy that ``gain`` logits are, as a share."""
    right = world(rng, n_items=200_000, taste=taste, n_seeds=1, luck=0.0, gain=gain)[:2, 0]
    return float(right[1].mean() - right[0].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--only", choices=list(WORLDS), help="One kind of world.")
    parser.add_argument("--json", action="store_true")
    wanted = parse(parser, {"worlds": 200, "items": 300})
    names = [wanted.only] if wanted.only else list(WORLDS)
    rows = [row(name, n_worlds=wanted.worlds, n_items=wanted.items) for name in names]
    detectable = [
        detectable_power(n_seeds=n, n_worlds=max(wanted.worlds // 4, 50), n_items=wanted.items)
        for n in ([] if wanted.only else [2, 3, 5])
    ]
    if wanted.json:
        about = {"worlds": wanted.worlds, "items": wanted.items, "level": 0.05, "first_level": FIRST_LEVEL}
        print(json_text({**about, "settings": rows, "detectable": detectable}, indent=1))
        return
    print(f"{wanted.worlds:,} null worlds each, {wanted.items:,} items, level 5 % in all\n")
    print(f"{'world':<24} false verdicts (95 %)      power   paired t (at equal size)   others, false")
    for one in rows:
        print(_line(one))
    for one in detectable:
        print(
            f"{one['seeds']} seeds: {100 * one['detectable']:.2f} points found in {100 * one['rate']:.0f} %"
        )


def _line(one: Mapping[str, Any]) -> str:
    false, power = one["false_verdicts"], one["power"]
    low, high = (100 * bound for bound in false["ours"]["ci95"])
    ours = f"{100 * false['ours']['rate']:4.1f} % ({low:.1f} to {high:.1f})"
    rival = ""
    if "paired_t" in power:
        equal = 100 * power["paired_t_at_equal_size"]["rate"]
        rival = f"{100 * power['paired_t']['rate']:.0f} % ({equal:.0f} %)"
    others = ", ".join(
        f"{name} {100 * value['rate']:.1f} %" for name, value in false.items() if name != "ours"
    )
    limit = "  a limit" if one["limit"] else ""
    return f"{one['world']:<24} {ours:<24} {100 * power['ours']['rate']:5.0f} %   {rival:<24} {others}{limit}"


if __name__ == "__main__":
    main()
