"""Which controls the crawler does not use, and why; which it presses, opens or takes one of.

Patterns are ``KIND NAME`` or ``KIND KEY``. A control that no pattern knows and that is not used fails
``test_every_page.py``, so that a new one cannot be forgotten.
"""

from __future__ import annotations

from tests.browser.crawler import Rules

# What writes, or starts work that goes on; each is pressed in the test that is named.
WRITES = (
    "Button (Import|Compose)",  # test_import.py, tests/dashboard/test_import_dialog.py
    "Button (start_training|retrain)",  # test_loop.py
    "Button (Cross-validate|Start sweep|Start search)",  # tests/pages/test_train_modes.py
    "Button delete_dataset_now",  # tests/dashboard/test_delete_dialog.py
    "Button Compare",  # tests/pages/test_fill.py
    "Button Keep",  # a preset with the steps of Clean: test_clean.py
    "Button (make_map|delete_map)",  # test_embeddings_page.py, tests/pages/test_embeddings.py
    "Button (relabel_all|leave_out_all|tag_all|untag)",  # tests/pages/test_embeddings.py
    "Selectbox tag_name",  # takes new words: as above
    "Button zs_tag",  # tests/pages/test_zero_shot.py
    "Button share",  # tests/pages/test_team.py
    r"Button (settle_\d+|Take the last back|look_again)",  # tests/pages/test_agreement.py, test_keeping.py
    "Selectbox settle_other_",  # as above
    "Button issues_leave_out",  # tests/pages/test_issues.py
    "Button (take_all_back|Name it|Take back .*)",  # tests/pages/test_history.py, test_keeping.py
    "Button (See what can be filled|Accept: .*)",  # tests/pages/test_fill.py
    "Button Prove it",  # tests/pages/test_prove.py
    "Button (rename_|keep_|keep_tags_|delete_)",  # a run's name, notes and tags, and the run: test_pressed.py
    r"Button (How long will it take\?|Search again|Look for label errors|Look for mismatches)",  # as above
    "Button save_thresholds",  # as above
    "Button (zs_add|Encode and classify|zs_few)",  # tests/pages/test_zero_shot.py
    "Button (Keep these prompts|Keep as a run)",  # one button: as above
)
# What leads to another page: gone at the end, where it stands on the page as it opens.
LEADS_ON = (
    "Button (next_step|open_|review_mistakes|review_mismatches|Review the .*|Review them|Review these)",
    "Button (Send to Relabel|Open .*|Train a model|Correct labels|Look at labels|Evaluate|map_cell)",
    "Button (Look for wrong labels|issues_relabel|Review labels|Relabel these images)",
    r"Button Send .* to Relabel",
)
# Drawn by our own components: their own tests drive them by pointer and by key.
OURS = (
    "Component .*",  # test_gallery.py, test_evaluate_browser.py, test_embedding_map.py, test_relabel*.py
)
ELSEWHERE = (
    "Table ",  # without a key: only looked at
    "FileUploader .*",  # test_import.py, test_embeddings_page.py
    "Button more_like",  # like what was chosen on the map: tests/pages/test_embeddings.py
    "MultiSelect tags_",  # takes new words only, and is kept by a button
)
PRESSES = (
    "Button (Begin with an example|Add step|Clear)",  # steps of Clean are the session's until they are kept
    "Button cleaning_.*_(up|remove)",
    "Button (all_issues|use_tuned|settle_skip)",
    "Button (Seven templates|Back)",
    "Button (Refresh|show_.*)",
)
RULES = Rules(
    left_alone=(*WRITES, *LEADS_ON, *OURS, *ELSEWHERE),
    leads=LEADS_ON,
    presses=PRESSES,
    opens=("Button (Import data|Delete)",),
    selects=("Table journal_", "Table runs_"),
    one_of=("Button cleaning_.*_(up|remove)", "Button show_.*", "Selectbox data"),
    once=(r"\w+ recipe_.*", r"\w+ (engine|ray_workers|local_workers|address)"),
    alike=r"^[a-z]+_(?=(engine|ray_workers|local_workers|address)$)|"
    r"\d{8}-\d{6}-\w{6}|(?<=^recipe_)[a-z-]+_|(?<=^journal_).*|(?<=^runs_)[0-9a-f]{8}|(?<=^settle_other_).*",
)
