"""Predictions of single images as people read them: rows with names of classes, and a table of those."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadInput
from core.evaluation.predictions import Predictions, save_predictions
from core.files import write_bytes

Row = dict[str, Any]


def prediction_rows(predictions: Predictions, thresholds: NDArray[Any] | float = 0.5) -> list[Row]:
    """One row per image: item_id, label, predicted, confidence; the label is None where there is none.

    Where an image may have several labels, label and predicted are lists of class names (the labels of at
    least ``thresholds``), and there is no confidence.
    """
    names = np.array(predictions.classes, object)
    if predictions.has_many_labels:
        is_known = ~np.isnan(predictions.labels).all(axis=1)
        return [
            {
                "item_id": str(item_id),
                "label": names[given == 1].tolist() if known else None,
                "predicted": names[probs >= thresholds].tolist(),
            }
            for item_id, given, known, probs in zip(
                predictions.item_ids, predictions.labels, is_known, predictions.pred_probs, strict=True
            )
        ]
    columns = (predictions.item_ids, predictions.labels, predictions.predicted, predictions.confidence)
    return [
        {
            "item_id": str(item_id),
            "label": names[label] if label >= 0 else None,
            "predicted": names[predicted],
            "confidence": round(float(confidence), 6),
        }
        for item_id, label, predicted, confidence in zip(*columns, strict=True)
    ]


def write_predictions(path: Path, predictions: Predictions, thresholds: NDArray[Any] | float = 0.5) -> None:
    """Write the rows as .csv (names joined by "|"), or all probabilities as .parquet (save_predictions).

    Raises:
        BadInput: The path ends otherwise.
        StorageFailed: It cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        save_predictions(path, predictions)
        return
    if path.suffix.lower() != ".csv":
        raise BadInput(f"{path.name!r} does not say what table to write.", "Let it end in .csv or .parquet.")
    text = io.StringIO(newline="")
    rows = prediction_rows(predictions, thresholds)
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: "|".join(value) if isinstance(value, list) else value for key, value in row.items()}
        )
    write_bytes(path, text.getvalue().encode())
