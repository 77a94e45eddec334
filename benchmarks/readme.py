"""Write README's table of numbers from what the benchmarks printed.

``uv run python benchmarks/readme.py [--check]``

Each benchmark's ``--json`` output is kept as it was printed in ``benchmarks/results/NAME.json``, and from
another machine in ``NAME-on-MACHINE.json``; this puts the figures from there, and no others, between README's
two markers. A test calls it with ``--check``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
BEGIN, END = "<!-- numbers -->", "<!-- /numbers -->"
Claim = tuple[str, str]
MEMORY = ("server", "tab", "gpu")


def data_of(result: dict[str, Any]) -> str:
    """What a benchmark ran on; results from before that was written down are of the full set."""
    return {"fashion-mnist": "full Fashion-MNIST"}.get(data := result.get("data", "fashion-mnist"), data)


def fast(result: dict[str, Any]) -> list[Claim]:
    def mean(who: str, field: str) -> float:
        return statistics.mean(row[field] for row in result["results"] if row["who"] == who)

    device = result.get("device", "processor")  # older results are of a processor
    workers = result.get("rival_workers", 0)
    return [
        (
            f"The `fast` preset on {data_of(result)}, against the tutorials' loop until it reaches "
            f"{result['target']:.2%} on test"
            + ("" if device == "processor" else f"; both on one {device}")
            + (f", the loop with {workers} processes that load" if workers else ""),
            f"{mean('fast preset', 'test_accuracy'):.2%} test accuracy "
            f"in {result['time_ratio']:.2f} of the time "
            f"({mean('fast preset', 'seconds'):.0f} s against {mean('tutorial loop', 'seconds'):.0f} s)",
        )
    ]


def best(result: dict[str, Any]) -> list[Claim]:
    rows = result["results"]
    return [
        (
            f"The `best` preset on {data_of(result)}, mean of {len(rows)} seeds",
            f"{result['mean_test_accuracy']:.2%} test accuracy; "
            f"{rows[0]['parameters'] / 1e6:.2f} million parameters, "
            f"{max(row['seconds'] for row in rows) / 60:.0f} minutes at most on 2 shared cores",
        )
    ]


def first_paint(result: dict[str, Any]) -> list[Claim]:
    return [
        (
            "First paint of Home after `streamlit run`, against an empty Streamlit app",
            f"{result['home_minus_empty_painted']:+.2f} s "
            f"({result['seconds']['Home']['painted']:.2f} s against "
            f"{result['seconds']['empty app']['painted']:.2f} s)",
        ),
        (
            "Home in a new session on a warm server, in a browser that was there before (in a new one)",
            f"painted after {result['seconds']['Home']['again_painted']:.2f} s "
            f"({result['seconds']['Home']['new_painted']:.2f} s); an empty Streamlit app: "
            f"{result['seconds']['empty app']['again_painted']:.2f} s "
            f"({result['seconds']['empty app']['new_painted']:.2f} s)",
        ),
    ]


def explore(result: dict[str, Any]) -> list[Claim]:
    seconds, times = result["seconds"], result["notebook_takes_times"]
    full = result.get("data", "fashion-mnist") == "fashion-mnist"
    return [
        (
            f"Explore on all {70_000 if full else 6_000:,} images: the first time, and after",
            f"{seconds['page, first']:.2f} s, then {seconds['page, after']:.2f} s "
            f"(the same questions in pandas: {seconds['notebook']:.1f} s, "
            f"{times['core, first']:.0f} times what core takes)",
        )
    ]


def durability(result: dict[str, Any]) -> list[Claim]:
    server, browser, two = (result[part] for part in ("killed_server", "killed_browser", "two_writers"))
    presses = result["press_to_commit"]
    n_edits = server["edits"] + browser["edits"] + two["edits"]
    return [
        (
            f"{n_edits:,} edits while the server is killed {server['kills']} times, the browser "
            f"{browser['kills']} times, and two servers write at once",
            f"{result['lost']} acknowledged edits lost, {result['doubled']} doubled",
        ),
        (
            f"Key press to acknowledged commit in Chromium, {presses['presses']} presses",
            f"median {presses['median_ms']:.0f} ms, 99th percentile {presses['p99_ms']:.0f} ms "
            f"(load {presses['load_after']:.1f} on {result['cores']} cores)",
        ),
    ]


def prove_null(result: dict[str, Any]) -> list[Claim]:
    def worst(test: str, *, limit: bool = False) -> float:
        rows = [one for one in result["settings"] if one["limit"] == limit]
        return max(one["false_verdicts"][test]["rate"] for one in rows if test in one["false_verdicts"])

    n_kinds = sum(not one["limit"] for one in result["settings"])
    return [
        (
            f"`prove` and `compare` name a difference where there is none, the worst of {n_kinds} kinds of "
            f"simulated world, {result['worlds']:,} worlds each",
            f"{worst('ours'):.1%} of the time (McNemar's test of one pair of trainings: "
            f"{worst('mcnemar_one_seed'):.0%}, the paired t-test: {worst('paired_t'):.1%}); where one side's "
            f"trainings vary far more than the other's: {worst('ours', limit=True):.1%}",
        )
    ]


def few_labels(result: dict[str, Any]) -> list[Claim]:
    def ends(row: dict[str, Any], name: str) -> str:
        low, high = row[f"{name}_interval"] or (math.nan, math.nan)
        return f"{row[name] * 100:+.1f} points ({low * 100:+.1f} to {high * 100:+.1f})"

    def measured(rows: list[dict[str, Any]]) -> str:
        best = max(rows, key=lambda row: float(row["mean"]))
        words = "; ".join(f"{row['method']} {row['mean']:.3f}" for row in rows)
        named = {
            "gain": "supervised",
            "gain_over_strong": "supervised with the same strong augmentation",
        }
        gains = [f"{ends(best, name)} over {base}" for name, base in named.items() if best[name] is not None]
        return f"{words}. {best['method']}: {', '.join(gains)}" if gains else words

    by_size: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in result["summary"]:
        by_size.setdefault((row["part"], row["n_labelled"]), []).append(row)
    names = {
        "fashion": "Full Fashion-MNIST with {n:,} labels, the rest without: test accuracy, mean of {seeds} "
        "seeds, and the gain of the best with its 95 % interval",
        "characters": "combo-mnist, {n:,} images with labels and as many without: both labels right on "
        "test, mean of {seeds} seeds",
    }
    return [
        (names[part].format(n=n, seeds=min(row["n_seeds"] for row in rows)), measured(rows))
        for (part, n), rows in sorted(by_size.items())
    ]


def captions(result: dict[str, Any]) -> list[Claim]:
    means, spread = result["mean_f1"], result["deviation"]
    names = sorted(means, key=lambda name: -means[name])
    n_seeds = len({row["seed"] for row in result["results"]})
    measured = "; ".join(f"{name} {means[name]:.3f} ± {spread[name]:.3f}" for name in names)
    gaps = [one["TF-IDF + logistic regression"] for one in result["ours_minus"]]
    low, high = min(gap["low"] for gap in gaps), max(gap["high"] for gap in gaps)
    return [
        (
            f"{result['n_images']:,} of {result['n_images_in_all']:,} photographs with captions and "
            f"{result['n_labels']} labels, a fifth held out, {n_seeds} seeds: mean F1 of the images",
            f"{measured}; hybrid-pretrained minus TF-IDF: intervals from {low:+.3f} to {high:+.3f}",
        )
    ]


def label_issues(result: dict[str, Any]) -> list[Claim]:
    def both(figure: Callable[[dict[str, Any]], str]) -> str:
        return "; ".join(f"{noise} noise {figure(part)}" for noise, part in result["summary"].items())

    def precision(part: dict[str, Any]) -> str:
        found = part["average_precision"]
        rest = max(value for name, value in found.items() if name != "combined")
        wins = min(part["combined_wins"].values())
        return (
            f"{found['combined']:.3f}, cleanlab's order {found['cleanlab']:.3f}, the best single score "
            f"{rest:.3f} (ahead of each in {wins} of {part['n_worlds']} worlds)"
        )

    def corrected(part: dict[str, Any]) -> str:
        return ", ".join(f"{order} {n:.0f}" for order, n in part["corrected_per_100_reviews"].items())

    def won(part: dict[str, Any]) -> str:
        gains = ", ".join(f"{order} {gain:+.3f}" for order, gain in part["points_per_100_reviews"].items())
        lead = part.get("combined_minus_cleanlab")
        if lead is None:
            return gains
        return f"{gains} (combined minus cleanlab {lead['mean']:+.4f} ± {lead['half_ci95']:.4f})"

    n_trainings = len(result["worlds"][0]["reviewer"]["before"])
    what = f"{result['share']:.0%} of {data_of(result)}'s training labels flipped: "
    return [
        (f"{what}average precision of the order in which `issues` shows them", both(precision)),
        (f"{what}errors corrected per 100 reviews, by order", both(corrected)),
        (
            f"{what}points of test accuracy won back per 100 reviews, by order, "
            f"{n_trainings} training{'s' * (n_trainings > 1)} a world",
            both(won),
        ),
    ]


def clip(result: dict[str, Any]) -> list[Claim]:
    core, plain, several = result["figures"]["core"], result["figures"]["plain"], result["ensemble"]
    rates, shots = result["speed"]["images_per_second"], result["few_shot"]["rows"]
    most = [row for row in shots if row["shots"] == max(one["shots"] for one in shots)]
    few = ", ".join(f"{row['method']} {row['mean']:.3f} ± {row['mean'] - row['low']:.3f}" for row in most)
    what = f"{result['model']} from words alone on {core['n']:,} photographs ({result['data']})"
    return [
        (
            f"{what}: class-balanced accuracy of the {core['n_single']:,} with one label, mean average "
            "precision of all, against a plain open_clip script",
            f"{core['balanced_accuracy']:.4f} and {core['map']:.4f} "
            f"({plain['balanced_accuracy']:.4f} and {plain['map']:.4f}); with seven templates "
            f"{several['balanced_accuracy']:.4f} and {several['map']:.4f}",
        ),
        (
            f"The same with {most[0]['shots']} labels a class, mean of {result['few_shot']['n_seeds']} draws "
            "and its 95 % interval",
            few,
        ),
        (
            "Images a second from files to CLIP vectors, model loaded, against that script",
            f"{rates['core']:.0f} against {rates['plain']:.0f}, with a DataLoader's workers "
            f"{rates['plain, workers']:.0f} (load {result['load']:.1f} on {result['cores']} cores)",
        ),
        (
            "Zero-shot page in another session, the same features",
            f"{result['page_seconds']['second']:.2f} s",
        ),
    ]


def multilabel(result: dict[str, Any]) -> list[Claim]:
    def ways(one: dict[str, Any]) -> str:
        return "; ".join(
            f"{who} {found['macro_auc']:.3f} ± {found['half_ci95']:.3f}" for who, found in one["ways"].items()
        )

    return [
        (
            f"{one['n_images']:,} images of {one['data']}, {one['n_labels']} labels, "
            + (
                f"{one['hidden_share']:.0%} of them hidden"
                if one["hidden_share"]
                else f"{one['unknown_share']:.0%} of them unknown"
            )
            + ": mean ROC AUC on held-out known labels by what is done with the unknown, mean of "
            f"{len({row['seed'] for row in one['results']})} seeds and its 95 % interval",
            ways(one),
        )
        for one in result["data"]
    ]


def annotators(result: dict[str, Any]) -> list[Claim]:
    named = {"sqlite": "SQLite", "postgresql": "PostgreSQL", "postgresql, two servers": "two servers"}
    paced = {name: one["paced"] for name, one in result["results"].items()}
    flat_out = [
        f"{named[name]} {one['flat_out']['edits_per_second']:.0f}" for name, one in result["results"].items()
    ]
    late = " / ".join(f"{named[name]} {one['p99_ms']:.0f} ms" for name, one in paced.items())
    pace = min(one["images_a_minute_each"] for one in paced.values())
    load = max(one["load"] for one in paced.values())
    wrong = [result[key] for key in ("collisions", "given_twice", "lost", "doubled")]
    return [
        (
            f"{result['people']} people, signed in, on one shared list at {pace:.0f} images a minute each",
            f"{wrong[0]} images labelled by two, {wrong[1]} given to two, {wrong[2]} edits lost, "
            f"{wrong[3]} doubled; 99th percentile {late} (load {load:.0f} on {result['cores']} cores); "
            f"as fast as they are answered, edits a second: {', '.join(flat_out)}",
        )
    ]


def run_list(result: dict[str, Any]) -> list[Claim]:
    return [
        (
            f"A list of {result['runs']:,} runs with their results: the first time, and after",
            f"{result['first_seconds']:.2f} s, then {result['after_seconds']:.2f} s "
            f"(reading everything every time: {result['naive_seconds']:.2f} s)",
        ),
    ]


def run_page(result: dict[str, Any]) -> list[Claim]:
    return [
        (
            f"The Train page with {result['runs']:,} runs in its table, drawn again",
            f"{result['again_cpu_seconds']:.2f} s of a processor ({result['again_seconds']:.1f} s passed, "
            f"load {result['load']:.0f} on {result['cores']} cores)",
        )
    ]


def million(result: dict[str, Any]) -> list[Claim]:
    done, opening = result["import"], result["opening"]
    pages = [one for when in ("before_training", "after_training") for one in result.get(when, {}).values()]
    busy = f"load {result['load_before']:.0f} to {result['load_after']:.0f} on {result['cores']} cores"
    claims = [
        (
            f"Importing {result['n']:,} images of 28 x 28",
            f"{done['cpu_seconds']:.0f} s of a processor, {done['peak_mb']:.0f} MB at most",
        ),
        (
            f"Home of {result['n']:,} images in a new session on a warm server; the slowest page when it is "
            "drawn again" + (", before any training" if "after_training" not in result else ""),
            f"{opening['cpu_seconds']:.2f} s; {max(one['after_cpu_seconds'] for one in pages):.2f} s of a "
            f"processor ({opening['seconds']:.1f} s and {max(one['after_seconds'] for one in pages):.1f} s "
            f"passed, {busy})",
        ),
        (
            f"The server's memory with {result['n']:,} images, every page opened, mapped files included"
            + (", before any training" if "after_training" not in result else ""),
            f"{max(one['resident_mb'] for one in pages):,.0f} MB, of which its own "
            f"{max(one['own_mb'] for one in pages):.0f} MB",
        ),
    ]
    if "server_peak_mb" in result:
        what = "The same with a training and labelling: memory at most"
        claims.append((what, f"{result['server_peak_mb']:,.0f} MB"))
    return claims


def load(result: dict[str, Any]) -> list[Claim]:
    trend, left = result["trend_of_second_half"]["own_mb"], result["left"]
    low, high = trend["ci95"]
    busy = f"load {result['load_before']:.0f} before, on {result['cores']} cores"
    return [
        (
            f"{result['sessions']} sessions browsing and {result['trainings']} trainings for "
            f"{result['minutes']:g} minutes ({busy}), {result['kept_mb']:g} MB of results kept: "
            "the server's memory",
            f"{trend['per_minute']:+.2f} MB a minute over the second half ({low:+.2f} to {high:+.2f}); "
            f"{result['own_mb']['end']:.0f} MB at the end",
        ),
        (
            f"The same: {result['page_runs']:,} pages drawn",
            f"{result['cpu_seconds_a_page']:.2f} s of a processor each; 95 % within "
            f"{result['p95_seconds']:.1f} s; {result['n_errors']} errors",
        ),
        (
            "The same: left behind when all had gone",
            "{children} processes, {threads} threads, {files} open files".format(
                **{name: max(0, n) for name, n in left.items()}  # fewer than before are none left behind
            ),
        ),
    ]


def memory(result: dict[str, Any]) -> list[Claim]:
    runs, rises = result["own_mb"]["new_runs"], result["second_half_mb"]
    first, half, last = runs[0], runs[len(runs) // 2], runs[-1]
    return [
        (
            f"The server's own memory while {result['runs']} runs come, its results bounded to "
            f"{result['bound_mb']} MB",
            f"{first:.0f} MB after a tenth, {half:.0f} MB at half, {last:.0f} MB at the end "
            f"({rises['new_runs']:+.1f} MB in the second half; without new runs "
            f"{rises['the_same_run']:+.1f} MB)",
        )
    ]


def embedding_map(result: dict[str, Any]) -> list[Claim]:
    made, searched, runs = result["map"], result["search"], result["map"]["runs"]
    rows = {(row["who"], row["points"]): row for row in result["browser"]}
    sizes = sorted({points for _, points in rows})

    def each(who: str, field: str, form: str) -> str:
        found = (rows[who, n].get(field) for n in sizes)
        return " / ".join("never" if value is None else format(value, form) for value in found)

    def mean(who: str, field: str) -> float:
        return statistics.mean(row[field] for row in runs[who])

    named = " / ".join(f"{n:,}" for n in sizes)
    largest = [rows[who, sizes[-1]] for who in ("ours", "plotly")]
    ours, plotly = (" + ".join(f"{row.get(f'{part}_mb', 0):,}" for part in MEMORY) for row in largest)
    return [
        (
            f"A map of {result['items']:,} x {result['dimensions']} features, against umap-learn's defaults",
            f"{made['time_ratio']:.2f} of the time ({mean('fast-umap', 'seconds'):.0f} s against "
            f"{mean('umap-learn', 'seconds'):.0f} s; {made['cpu_ratio']:.2f} of the processors'), "
            f"trustworthiness {mean('fast-umap', 'trustworthiness'):.3f} against "
            f"{mean('umap-learn', 'trustworthiness'):.3f}",
        ),
        (
            f"From click to a map that can be used, {named} points in Chromium, WebGL in software",
            f"{each('ours', 'interactive_seconds', '.1f')} s "
            f"(plotly's scattergl: {each('plotly', 'interactive_seconds', '.1f')} s)",
        ),
        (
            "Frames a second while the same maps are dragged about",
            f"{each('ours', 'frames_a_second', '.0f')} "
            f"(plotly's scattergl: {each('plotly', 'frames_a_second', '.0f')})",
        ),
        (
            f"Memory at most with {sizes[-1]:,} points: server + tab + WebGL",
            f"{ours} MB (plotly's scattergl: {plotly} MB)",
        ),
        (
            f"The images most like one among {searched['items']:,}",
            f"median {searched['median_ms']:.0f} ms, 99th percentile {searched['p99_ms']:.0f} ms, with "
            f"{searched['recall_at_10']:.1%} of the exact ten (exact: {searched['exact_median_ms']:.0f} ms); "
            f"{result['neighbours']['recall']:.1%} of the exact neighbours in the map's graph",
        ),
    ]


def cluster(result: dict[str, Any]) -> list[Claim]:
    run = result["one_run"]
    ray, threads = (run["against_one_process"][name] for name in ("two_on_ray", "two_threads"))
    n = result["repeats"]
    return [
        (
            f"{result['trials']} trials of a search on two Ray workers against one, "
            f"{result['cores']} shared cores, median of {n} run{'s' * (n > 1)}",
            f"{result['speed_up_on_ray']:.2f} times as fast (two processes without Ray against one: "
            f"{result['speed_up_of_processes']:.2f} times); one Ray worker against a plain process: "
            f"{result['ray_adds_seconds']:+.1f} s, {result['ray_against_plain']:.2f} of its time",
        ),
        (
            f"One run trained by two Ray workers against one process, {run['n_images']:,} test images",
            f"accuracy {run['accuracy']['two_on_ray']:.3f} and {run['accuracy']['one_process']:.3f}, "
            f"{ray['same_prediction']:.1%} of predictions the same (two threads against one: "
            f"{threads['same_prediction']:.1%}), probabilities {ray['mean_difference']:.4f} apart on average "
            f"({threads['mean_difference']:.4f})",
        ),
    ]


CLAIMS: dict[str, Callable[[dict[str, Any]], list[Claim]]] = {
    "fast": fast,
    "best": best,
    "first_paint": first_paint,
    "explore": explore,
    "run_list": run_list,
    "run_page": run_page,
    "million": million,
    "load": load,
    "memory": memory,
    "embedding_map": embedding_map,
    "clip": clip,
    "captions": captions,
    "multilabel": multilabel,
    "durability": durability,
    "annotators": annotators,
    "cluster": cluster,
    "label_issues": label_issues,
    "few_labels": few_labels,
    "prove_null": prove_null,
}
"""By the name of a benchmark, what README says of its result."""


def kept_claims(name: str, results: Path = RESULTS) -> list[Claim]:
    """What README says of a benchmark: of the results from here, then of those from other machines."""
    files = [results / f"{name}.json", *sorted(results.glob(f"{name}-on-*.json"))]
    return [claim for file in files if file.exists() for claim in CLAIMS[name](json.loads(file.read_text()))]


def table() -> str:
    """The claims of which a result is kept, as a Markdown table, each with the command that measures it."""
    rows = ["| What | Measured | Again with |", "| --- | --- | --- |"]
    for name in CLAIMS:
        for what, measured in kept_claims(name):
            rows.append(f"| {what} | {measured} | `benchmarks/{name}.py` |")
    return "\n".join(rows)


def with_numbers(readme: str) -> str:
    """README's text with the table between its markers. Raises ValueError without them."""
    before, rest = readme.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit with 1 if README is behind"
    )
    arguments = parser.parse_args()
    path = ROOT / "README.md"
    text = path.read_text()
    new = with_numbers(text)
    if arguments.check:
        raise SystemExit(int(new != text))
    path.write_text(new)


if __name__ == "__main__":
    main()
