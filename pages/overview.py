"""Home: the open data set at a glance and the next best step."""

from dashboard import gallery, picker
from dashboard.frame import header

dataset = picker.dataset()
header(dataset.title, f"{len(dataset):,} images")
gallery.show(dataset, range(36), key="overview_samples")
