import numpy as np

from core.evaluation.label_pairs import largest_pair, pair_counts, pair_rows
from core.evaluation.multilabel import multilabel_scores

NAN = np.nan
LABELS = np.array([[1, 0, 0], [1, 0, NAN], [0, 1, 1], [1, 1, 0]], np.float32)
PROBS = np.array([[0.2, 0.9, 0.6], [0.9, 0.8, 0.9], [0.1, 0.4, 0.2], [0.9, 0.9, 0.1]])


def test_what_is_said_where_another_label_is_there() -> None:
    found = multilabel_scores(LABELS, PROBS)
    counts = pair_counts(found, "said-for")
    assert counts.tolist() == [[2, 2, 1], [0, 1, 0], [0, 0, 0]], "an unknown label is no false alarm"
    assert pair_rows(found, "said-for", 0, 1).tolist() == [0, 1], "the surest first"
    assert pair_rows(found, "said-for", 0, 0).tolist() == [1, 3]
    assert largest_pair(counts) == (0, 1)


def test_what_is_wrong_together() -> None:
    found = multilabel_scores(LABELS, PROBS)
    counts = pair_counts(found, "wrong-together")
    assert counts.tolist() == [[1, 1, 1], [1, 3, 2], [1, 2, 2]]
    for i in range(3):
        for j in range(3):
            assert len(pair_rows(found, "wrong-together", i, j)) == counts[i, j]
    assert largest_pair(np.diag([3, 4])) is None
