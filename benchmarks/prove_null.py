"""How often "did it help?" says yes or no where nothing differs: at most one time in twenty.

``uv run python benchmarks/prove_null.py [--worlds 2000] [--items 1000] [--seeds 3] [--quick] [--json]``
``uv run python benchmarks/prove_null.py --looks 3 5 7 10 15 [--worlds 2000] [--json]``

A null world: four arms of S trainings each that differ by luck only. An item has a difficulty; a training has
luck that it shares over all items; an arm may have a taste, being better at some items and worse at others,
equal on average. A false positive is a p-value below 0.05. Four tests are asked about the same worlds:

crossed           core.evaluation.crossed.effect, which the verdict uses: items and seeds both drawn at random
items_only        the exact sign-flip test over items, seeds averaged: blind to the luck of the seed
mcnemar_one_seed  exact McNemar on one model of each arm, which is what most people do
mcnemar_pooled    exact McNemar on all seeds' answers laid end to end, as if they were other items

With --looks the same edits are put to the proof again and again, each time with more seeds, until one look
says yes or no: at p below 0.05 each time (naive), or with later looks paying for the earlier ones (paid), as
the verdict does (core.quality.looks).
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.quick import parse
from core.evaluation.crossed import Right, effect, sign_flip
from core.evaluation.metrics import wilson_interval
from core.evaluation.paired import mcnemar_exact
from core.evaluation.proof import look_penalty
from core.json_text import json_text

N_ARMS = 4
SETTINGS = {
    "no luck, no taste": (0.0, 0.0),
    "taste only": (0.0, 1.0),
    "little luck": (0.05, 0.5),
    "luck": (0.15, 0.5),
    "much luck": (0.3, 1.0),
}
"""(luck, taste) in logits; luck of 0.05, 0.15 and 0.3 moves accuracy by about 0.5, 1.3 and 2.6 points."""


def world(
    rng: np.random.Generator,
    *,
    n_items: int,
    luck: float,
    taste: float,
    n_seeds: int = 3,
    gain: float = 0.0,
) -> Right:
    """(4, S, n) bool: which training is right about which item; ``gain`` logits more for arm 1."""
    shape = (N_ARMS, n_seeds, n_items)
    logit = rng.normal(2.0, 2.5, n_items) + rng.normal(0, 0.3, (1, n_seeds, 1))
    logit = logit + rng.normal(0, luck, (N_ARMS, n_seeds, 1)) + rng.normal(0, taste, (N_ARMS, 1, n_items))
    logit = logit + gain * (np.arange(N_ARMS) == 1)[:, None, None]
    return np.asarray(logit + rng.logistic(size=shape) > 0)


def false_positives(
    *, n_worlds: int, n_items: int, luck: float, taste: float, n_seeds: int = 3, seed: int = 0
) -> dict[str, int]:
    """Of ``n_worlds`` null worlds, in how many each test finds a difference."""
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(("crossed", "items_only", "mcnemar_one_seed", "mcnemar_pooled"), 0)
    for _ in range(n_worlds):
        right = world(rng, n_items=n_items, luck=luck, taste=taste, n_seeds=n_seeds)
        gap = right[1].astype(np.int64) - right[0]
        p_values = {
            "crossed": effect(right, 0, 1).p_value,
            "items_only": sign_flip(gap.sum(axis=0)),
            "mcnemar_one_seed": mcnemar_exact(int((gap[0] < 0).sum()), int((gap[0] > 0).sum())),
            "mcnemar_pooled": mcnemar_exact(int((gap < 0).sum()), int((gap > 0).sum())),
        }
        for test, p_value in p_values.items():
            found[test] += p_value < 0.05
    return found


def false_positives_of_looks(
    *, n_worlds: int, n_items: int, luck: float, taste: float, looks: list[int], seed: int = 0
) -> dict[str, int]:
    """Of ``n_worlds`` null worlds, in how many the first look, or any of ``looks``, finds a difference.

    Args:
        looks: Numbers of seeds, ascending; each look has the seeds of the one before and some more.
    """
    rng = np.random.default_rng(seed)
    found = dict.fromkeys(("first", "naive", "paid"), 0)
    for _ in range(n_worlds):
        right = world(rng, n_items=n_items, luck=luck, taste=taste, n_seeds=looks[-1])
        p_values = [effect(right[:, :n_seeds], 0, 1).p_value for n_seeds in looks]
        found["first"] += p_values[0] < 0.05
        found["naive"] += min(p_values) < 0.05
        found["paid"] += min(p * look_penalty(k) for k, p in enumerate(p_values, start=1)) < 0.05
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000)
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--looks", type=int, nargs="+", help="Seeds at each look, ascending.")
    parser.add_argument("--json", action="store_true")
    wanted = parse(parser, {"worlds": 200, "items": 300})
    if wanted.looks:
        print_looks(sorted(wanted.looks), wanted.worlds, wanted.items, as_json=wanted.json)
        return
    rows = []
    for name, (luck, taste) in SETTINGS.items():
        found = false_positives(
            n_worlds=wanted.worlds, n_items=wanted.items, luck=luck, taste=taste, n_seeds=wanted.seeds
        )
        rates = {
            test: {"rate": n / wanted.worlds, "ci95": list(wilson_interval(n, wanted.worlds))}
            for test, n in found.items()
        }
        rows.append({"world": name, "luck": luck, "taste": taste, "false_positives": rates})
    if wanted.json:
        about = {"worlds": wanted.worlds, "items": wanted.items, "seeds": wanted.seeds}
        print(json_text({**about, "level": 0.05, "settings": rows}, indent=1))
        return
    print(f"{wanted.worlds:,} null worlds each, {wanted.items:,} items, {wanted.seeds} seeds, level 5 %\n")
    print(f"{'world':<18}  {'crossed (95 %)':<22}       items only  McNemar, 1 seed  McNemar, pooled")
    for row in rows:
        rates = row["false_positives"]
        low, high = rates["crossed"]["ci95"]
        ours = f"{100 * rates['crossed']['rate']:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        rivals = [rates[test]["rate"] for test in ("items_only", "mcnemar_one_seed", "mcnemar_pooled")]
        print(f"{row['world']:<18}  {ours:<22}  " + "  ".join(f"{100 * rate:13.1f} %" for rate in rivals))


def print_looks(looks: list[int], n_worlds: int, n_items: int, *, as_json: bool) -> None:
    """The false positives of looking again and again, in every kind of world."""
    rows = []
    for name, (luck, taste) in SETTINGS.items():
        found = false_positives_of_looks(
            n_worlds=n_worlds, n_items=n_items, luck=luck, taste=taste, looks=looks
        )
        rates = {
            rule: {"rate": n / n_worlds, "ci95": list(wilson_interval(n, n_worlds))}
            for rule, n in found.items()
        }
        rows.append({"world": name, "luck": luck, "taste": taste, "false_positives": rates})
    if as_json:
        about = {"worlds": n_worlds, "items": n_items, "seeds_at_each_look": looks}
        print(json_text({**about, "level": 0.05, "settings": rows}, indent=1))
        return
    print(f"{n_worlds:,} null worlds each, {n_items:,} items, looks with {looks} seeds, level 5 %\n")
    print(f"{'world':<18}  first look   any look, naive   any look, paid")
    for row in rows:
        first, naive, paid = (
            100 * row["false_positives"][rule]["rate"] for rule in ("first", "naive", "paid")
        )
        print(f"{row['world']:<18}  {first:8.1f} %   {naive:13.1f} %   {paid:12.1f} %")


if __name__ == "__main__":
    main()
