"""Why a network says what it says of one image: Grad-CAM, kept in the cache by what went in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core.cache import cached_arrays
from core.data.dataset import Dataset
from core.errors import BadInput
from core.evaluation.seen import fed_to, shown_to
from core.runs.store import Run
from core.workspace import Workspace

if TYPE_CHECKING:
    from core.models import Classifier, ModelCard

Heat = NDArray[np.float32]


def explanation(workspace: Workspace, run: Run, dataset: Dataset, position: int, class_index: int) -> Heat:
    """Where in the image the run's network found evidence for a class.

    Computed once for each run, image and class; the first call in a process imports torch.

    Args:
        position: Of the image in ``dataset``.
        class_index: The class to find evidence for, an index into the run's classes.

    Returns:
        (H, W) float32 of the size of core.evaluation.seen.shown_to, 0 to 1; all zero when nothing speaks for
        the class.

    Raises:
        NotFound, DamagedFile: There is no model, or it or the image cannot be read.
        BadInput: There is no such class.
    """
    key = {
        "run": run.id,
        "written": run.model_file.stat().st_mtime_ns if run.model_file.exists() else 0,
        "image": bytes(np.asarray(dataset.content_hashes[position])).hex(),
        "class": class_index,
    }

    def compute() -> dict[str, Heat]:
        from core.models import load_model

        model, card = load_model(run.model_file)
        pixels = fed_to(run, dataset, position, card)
        height, width = shown_to(run, dataset, position).shape[:2]
        caption = dataset.captions[position] if dataset.captions is not None else ""
        return {"heat": grad_cam(model, card, pixels, class_index, (height, width), caption)}

    return np.asarray(cached_arrays(workspace, "grad-cam-1", key, compute)["heat"], np.float32)


def grad_cam(
    model: Classifier,
    card: ModelCard,
    pixels: NDArray[np.uint8],
    class_index: int,
    out_size: tuple[int, int] | None = None,
    caption: str = "",
) -> Heat:
    """Grad-CAM (Selvaraju et al., ICCV 2017) at the model's ``cam_layer``, through captum.

    Args:
        model: The network; it is put into evaluation mode.
        card: How its pixels are normalised.
        pixels: (H, W, C) uint8, of the size the model was trained on.
        class_index: The class whose score is explained.
        out_size: (height, width) of the result; that of ``pixels`` when None.
        caption: Of the image, for networks that read it.

    Returns:
        (height, width) float32, 0 to 1.

    Raises:
        BadInput: There is no such class, or the network looks at no image.
    """
    import torch
    from captum.attr import LayerAttribution, LayerGradCam

    from core.training.captions import encoded, gather_words
    from core.training.pixels import Normaliser

    if card.inputs == "caption":
        raise BadInput("This model reads the caption only: no part of the image speaks for a class.")
    if not 0 <= class_index < len(card.classes):
        raise BadInput(f"There is no class {class_index}; the model knows 0 to {len(card.classes) - 1}.")
    model.eval()
    images = torch.from_numpy(np.array(pixels[None])).permute(0, 3, 1, 2)
    images = Normaliser(card.mean, card.std, torch.device("cpu"))(images).contiguous()
    words = gather_words(encoded(card, [caption]), np.zeros(1, np.int64), torch.device("cpu"))
    heat = LayerGradCam(model, model.cam_layer).attribute(
        images, target=class_index, additional_forward_args=words, relu_attributions=True
    )
    size = out_size or pixels.shape[:2]
    spread = LayerAttribution.interpolate(heat.detach(), tuple(size), interpolate_mode="bilinear")
    values = np.asarray(spread[0, 0].clamp_min(0).numpy(), np.float32)
    top = float(values.max())
    return values / np.float32(top) if top > 0 else values
