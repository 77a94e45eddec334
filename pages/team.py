"""Team: who is here, what is shared out, and who did how much."""

from core.labels.versions import has_journal
from dashboard import picker, team_panels, waiting
from dashboard.frame import end_page, header

workspace, dataset = picker.workspace(), picker.dataset()
header("Team", f"Who works on {dataset.title}: shared lists, who is here, and what each has done.")
waiting.tell_if_behind(workspace)
if not has_journal(workspace):
    team_panels.nothing_yet()
    end_page()
team_panels.overview(workspace, dataset)
team_panels.closing(workspace, dataset)
