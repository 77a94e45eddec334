"""Who works here and what each may do.

``accounts`` keeps the people of a workspace, ``sign_in`` and ``sessions`` let them in, ``acting`` says who
acts and refuses what their role does not allow: what writes for good asks it first (docs/teams.md).
"""
