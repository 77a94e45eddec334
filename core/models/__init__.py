"""The model zoo: networks for small images, behind one ``create_model``."""

from core.models.classifier import Classifier
from core.models.saved import ModelCard, build, load_card, load_model, save_model
from core.models.summary import model_summary, n_parameters
from core.models.zoo import NAMES, create_model

__all__ = [
    "NAMES",
    "Classifier",
    "ModelCard",
    "build",
    "create_model",
    "load_card",
    "load_model",
    "model_summary",
    "n_parameters",
    "save_model",
]
