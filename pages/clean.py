"""Clean: steps that part noisy characters before a network sees them, composed and looked at one by one."""

from dashboard import cleaning_panels, picker
from dashboard.frame import header

dataset = picker.dataset()
header(
    "Clean",
    f"Steps that clean the images of {dataset.title} before training; each shows what it makes of them.",
)
steps = cleaning_panels.compose()
if not steps:
    cleaning_panels.nothing_yet()
cleaning_panels.preview(dataset, steps)
if steps:
    cleaning_panels.outcome(dataset, steps)
    cleaning_panels.keep(picker.workspace(), steps)
