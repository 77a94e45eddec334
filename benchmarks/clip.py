"""Zero-shot by CLIP against a plain open_clip script: the same figures, sooner; ensembles; a few labels.

``uv run python benchmarks/clip.py [--data D] [--source FOLDER] [--model NAME] [--checkpoint PT --config JSON]
[--quick] [--json]``

The data set is in the workspace, or imported from --source. Measured on its test images:

figures      class-balanced accuracy on the images with exactly one label and mean average precision on all,
             "a photo of a {}", by core and by the plain script, which uses scikit-learn's metrics
ensemble     the same with the mean of seven templates
few_shot     linear probe and Tip-Adapter on 1, 2, 4, 8, 16 labels a class, interval over seeds
speed        images a second from files to vectors, model loaded, cache empty, against the plain script as
             it is usually written (one image after the other) and with a DataLoader worker for each core
page         the page Zero-shot in another session of a warm server, the same features

With the network, ``--model ViT-B-32 --pretrained openai --data fashion-mnist`` tells what OpenAI's CLIP makes
of Fashion-MNIST.
"""

from __future__ import annotations

import core  # noqa: F401  # isort: skip  (before torch: sets how its threads wait)

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.quick import needs, parse
from core import workspace as workspaces
from core.data.catalog import open_dataset
from core.data.dataset import Dataset
from core.data.importer import import_source
from core.embeddings.clip import Encoder
from core.embeddings.clip_models import ClipModel, find_model
from core.embeddings.few_shot import create_few_shot, read_curve
from core.embeddings.prompts import ENSEMBLE, default_prompts
from core.embeddings.zero_shot import ZeroShotRequest, create_zero_shot, marks, single_labels
from core.json_text import json_text
from core.labels.versions import labels_at
from core.runs.store import Run, status
from core.worker import work
from core.workspace import Workspace

HOME = Path(__file__).resolve().parents[1] / "dashboard" / "Home.py"
BATCH = 64
Floats = NDArray[np.float32]


class Plain:
    """What a person writes with open_clip and scikit-learn."""

    def __init__(self, model: ClipModel) -> None:
        import open_clip

        # The checkpoint does not say how pixels are to be prepared: who wrote it knows, and so this script.
        prepared = Encoder(workspaces.current(), model).towers.preprocessing
        if model.config:
            open_clip.add_model_config(Path(model.config).parent)
        self.network, _, self.preprocess = open_clip.create_model_and_transforms(
            model.architecture,
            pretrained=model.checkpoint or model.pretrained,
            image_mean=prepared.mean,
            image_std=prepared.std,
            image_resize_mode=prepared.resize,
            precision="fp32",
        )
        self.network.eval()
        self.tokenizer = open_clip.get_tokenizer(model.architecture)

    def classes(self, words: list[str]) -> Floats:
        """(K, D) unit vectors."""
        import torch

        with torch.no_grad():
            return np.asarray(self.network.encode_text(self.tokenizer(words), normalize=True))

    def images(self, dataset: Dataset, positions: NDArray[np.int64], workers: int) -> Floats:
        """(n, D) unit vectors, from files where there are files."""
        import torch
        from torch.utils.data import DataLoader

        loader = DataLoader(_Pictures(dataset, positions, self.preprocess), BATCH, num_workers=workers)
        with torch.no_grad():
            parts = [self.network.encode_image(batch, normalize=True).numpy() for batch in loader]
        return np.concatenate(parts)


class _Pictures:
    """Images one by one through PIL, as a torch data set."""

    def __init__(
        self, dataset: Dataset, positions: NDArray[np.int64], preprocess: Callable[[Any], Any]
    ) -> None:
        self.dataset, self.positions, self.preprocess = dataset, positions, preprocess

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int) -> Any:
        from PIL import Image

        position = int(self.positions[index])
        files = getattr(self.dataset.images, "files", None)
        if files is None:
            pixels = self.dataset.images.read(position)
            picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        else:
            picture = Image.open(self.dataset.images.folder / str(files[position]))  # type: ignore[attr-defined]
        return self.preprocess(picture.convert("RGB"))


def plain_figures(plain: Plain, dataset: Dataset, words: list[str], vectors: Floats) -> dict[str, float]:
    """Balanced accuracy and mean average precision, by scikit-learn."""
    from sklearn.metrics import average_precision_score, balanced_accuracy_score

    positions = dataset.in_split("test")
    similarity = vectors @ plain.classes(words).T
    one = single_labels(dataset, dataset.labels)[positions]
    given = marks(dataset, dataset.labels)[positions] == 1
    known = one >= 0
    precisions = [
        average_precision_score(given[:, k], similarity[:, k]) for k in range(len(words)) if given[:, k].any()
    ]
    return {
        "balanced_accuracy": float(balanced_accuracy_score(one[known], similarity[known].argmax(axis=1))),
        "map": float(np.mean(precisions)),
    }


def finished(run: Run) -> Run:
    """The run, done."""
    if work(run.folder) != 0:
        raise SystemExit(f"{run.name}: {status(run).error}")
    return run


def core_figures(workspace: Workspace, dataset: Dataset, request: ZeroShotRequest) -> dict[str, float]:
    """The same by core, from a run that any page shows."""
    said = status(finished(create_zero_shot(workspace, dataset, request))).summary
    return {name: said[name] for name in ("balanced_accuracy", "map", "n", "n_single")}


def speed(dataset: Dataset, model: ClipModel, plain: Plain, repeats: int) -> tuple[dict[str, Any], Floats]:
    """Images a second of each, in turn, and the plain script's vectors."""
    positions = dataset.in_split("test")
    seconds: dict[str, list[float]] = {"core": [], "plain": [], "plain, workers": []}
    vectors = np.empty((0, 0), np.float32)
    away = 0.0
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as nothing_kept:
            encoder = Encoder(Workspace(Path(nothing_kept)), model)
            _ = encoder.towers
            began = time.perf_counter()
            ours = encoder.images(dataset, positions)
            seconds["core"].append(time.perf_counter() - began)
        for name, workers in (("plain", 0), ("plain, workers", os.cpu_count() or 1)):
            began = time.perf_counter()
            vectors = plain.images(dataset, positions, workers)
            seconds[name].append(time.perf_counter() - began)
        away = max(away, float(1 - (ours * vectors).sum(axis=1).min()))
    rates = {name: len(positions) / statistics.median(values) for name, values in seconds.items()}
    return {
        "images": len(positions),
        "images_per_second": rates,
        "times_plain": rates["core"] / rates["plain"],
        "times_plain_with_workers": rates["core"] / rates["plain, workers"],
        "largest_cosine_distance": away,
    }, vectors


def page_seconds(dataset: Dataset, model: ClipModel) -> dict[str, float]:
    """The page's script in two sessions of one server, the features being in the cache."""
    from streamlit.testing.v1 import AppTest

    found = []
    for _ in range(2):
        app = AppTest.from_file(str(HOME), default_timeout=120)
        app.query_params["data"] = dataset.name
        app.run()
        app.query_params["model"] = model.key
        began = time.perf_counter()
        app.switch_page("../pages/zero_shot.py").run()
        found.append(time.perf_counter() - began)
        if app.exception or not app.metric:
            raise SystemExit("The page shows no figures.")
    return {"first": found[0], "second": found[1]}


def measure(workspace: Workspace, dataset: Dataset, model: ClipModel, options: argparse.Namespace) -> Any:
    """All of it."""
    prompts = default_prompts(dataset)
    words = [prompts.texts(k)[0] for k in range(len(dataset.classes))]
    plain = Plain(model)
    rates, vectors = speed(dataset, model, plain, options.repeats)
    single = core_figures(workspace, dataset, ZeroShotRequest(model, prompts))
    several = core_figures(workspace, dataset, ZeroShotRequest(model, default_prompts(dataset, ENSEMBLE)))
    by_script = plain_figures(plain, dataset, words, vectors)
    curve = read_curve(
        finished(create_few_shot(workspace, dataset, ZeroShotRequest(model, prompts), n_seeds=options.seeds))
    )
    return {
        "data": dataset.name,
        "model": model.key,
        "label_version": labels_at(workspace, dataset).version,
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "figures": {"core": single, "plain": by_script},
        "largest_difference": max(abs(single[name] - by_script[name]) for name in by_script),
        "ensemble": several,
        "few_shot": curve,
        "speed": rates,
        "page_seconds": page_seconds(dataset, model),
    }


def as_text(value: dict[str, Any]) -> str:
    """For people."""
    core_found, plain_found, several = value["figures"]["core"], value["figures"]["plain"], value["ensemble"]
    rates = value["speed"]["images_per_second"]
    lines = [
        f"{value['model']} on {core_found['n']:,} test images of {value['data']}",
        f"  balanced accuracy  core {core_found['balanced_accuracy']:.4f}  plain "
        f"{plain_found['balanced_accuracy']:.4f}  seven templates {several['balanced_accuracy']:.4f}",
        f"  mean average prec. core {core_found['map']:.4f}  plain {plain_found['map']:.4f}  seven templates "
        f"{several['map']:.4f}",
        f"  images a second    core {rates['core']:.0f}  plain {rates['plain']:.0f}  with workers "
        f"{rates['plain, workers']:.0f}",
        f"  page, next session {value['page_seconds']['second']:.2f} s",
    ]
    lines += [
        f"  {row['shots']:>2} labels a class  {row['method']:<13} {row['mean']:.4f} "
        f"({row['low']:.4f} to {row['high']:.4f})"
        for row in value["few_shot"]["rows"]
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", default="comp5329")
    parser.add_argument("--source", help="a folder or archive to import it from, if it is not there")
    parser.add_argument("--model", default="", help="open_clip's name: ViT-B-32; with --config any name")
    parser.add_argument("--pretrained", default="", help="one of open_clip's tags, fetched from the network")
    parser.add_argument("--checkpoint", default="", help="a file on this machine instead")
    parser.add_argument("--config", default="", help="its model_config JSON")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parse(parser, {"repeats": 1, "seeds": 2})
    if not options.pretrained:
        needs(parser, options, checkpoint="CLIP's weights", config="its model_config")
    workspace = workspaces.current()
    if not (workspace.datasets / options.data).exists():
        needs(parser, options, source=f"data set {options.data}")
        import_source(workspace, Path(options.source), options.data)
    dataset = open_dataset(workspace, options.data)
    model = find_model(
        workspace,
        options.model or (Path(options.config).stem.lower() if options.config else "ViT-B-32"),
        pretrained=options.pretrained,
        checkpoint=options.checkpoint,
        config=options.config,
    )
    value = measure(workspace, dataset, model, options)
    print(json_text(value) if options.json else as_text(value))


if __name__ == "__main__":
    main()
