"""Makes data/fashion-mnist-sample/sample.npz: 500 train and 100 test images per class, seed 0.

Run it with ``uv run python data/make_sample.py`` where the full set is on the machine; the same input
gives the same file.
"""

from pathlib import Path

import numpy as np

from core.data.fashion_mnist import FILES, local_folder, read_idx

PER_CLASS = {"train": 500, "test": 100}
TARGET = Path(__file__).parent / "fashion-mnist-sample" / "sample.npz"

folder = local_folder()
if folder is None:
    raise SystemExit("The full Fashion-MNIST is not on this machine: install dataset-fashion-mnist.")
rng = np.random.default_rng(0)
parts: dict[str, list[np.ndarray]] = {"images": [], "labels": [], "split": [], "row": []}
for code, (split, (images_name, labels_name)) in zip((0, 2), FILES.items(), strict=True):
    images = read_idx(folder / images_name, 16).reshape(-1, 28, 28)
    labels = read_idx(folder / labels_name, 8)
    chosen = [rng.choice(np.flatnonzero(labels == k), PER_CLASS[split], replace=False) for k in range(10)]
    rows = np.sort(np.concatenate(chosen))
    parts["images"].append(images[rows])
    parts["labels"].append(labels[rows])
    parts["split"].append(np.full(len(rows), code, np.int8))
    parts["row"].append(rows.astype(np.int32))
TARGET.parent.mkdir(exist_ok=True)
np.savez_compressed(
    TARGET, allow_pickle=False, **{name: np.concatenate(part) for name, part in parts.items()}
)
print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
