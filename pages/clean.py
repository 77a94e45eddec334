"""Clean: steps that part noisy characters before a network sees them, composed and looked at one by one."""

import streamlit as st

from core.data.cleaning import parse
from dashboard import cleaning_panels, picker
from dashboard.frame import header

dataset = picker.dataset()
header(
    "Clean",
    f"Steps that clean the images of {dataset.title} before training; each shows what it makes of them.",
)
steps = cleaning_panels.compose()
if not steps:
    st.info("There is no step yet. Add one, or begin with what parts two characters in noise.")
    if st.button("Begin with an example", icon=":material/auto_fix_high:"):
        cleaning_panels.steps_so_far().extend(parse(cleaning_panels.START))
        st.rerun()
cleaning_panels.preview(dataset, steps)
if steps:
    cleaning_panels.outcome(dataset, steps)
    cleaning_panels.keep(picker.workspace(), steps)
