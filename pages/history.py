"""History: every edit of the labels, who made it, how to take it back, and the versions that they make."""

from core.labels.versions import current_version
from dashboard import bring_in_panel, history_panels, picker
from dashboard.frame import end_page, header
from dashboard.review import controls

workspace, dataset = picker.workspace(), picker.dataset()
header(
    "History",
    f"Every edit of the labels of {dataset.title}. Nothing is overwritten: taking back is an edit too.",
    action=controls.annotator,
)
newest = current_version(workspace, dataset.name)
if not newest:
    history_panels.nothing_yet()
    bring_in_panel.draw(workspace, dataset, controls.name())
    end_page()

edits = history_panels.edits_of(workspace, dataset)
history_panels.journal(workspace, dataset, edits, controls.name())
history_panels.versions(workspace, dataset, newest, controls.name())
bring_in_panel.draw(workspace, dataset, controls.name())
