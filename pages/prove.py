"""Prove: did the corrections help?"""

from dashboard import evaluate_view, job_monitor, picker, prove_panel
from dashboard.frame import end_page, header

workspace, dataset = picker.workspace(), picker.dataset()
header("Prove", "Did the corrections help? Trainings before and after them, scored on the same test images.")
runs = evaluate_view.finished_runs(workspace, dataset)
if not runs:
    prove_panel.nothing_trained()
    end_page()

prove_panel.start(workspace, dataset, runs)
proofs = prove_panel.proofs_of(workspace, dataset)
job_monitor.follow(proofs)
shown = prove_panel.pick(proofs)
if shown is not None:
    prove_panel.result(*shown)
