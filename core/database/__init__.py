"""The workspace's database: SQLite in the workspace, or the PostgreSQL that a team shares.

``address`` says which, ``engine`` opens it so that a commit means "it is on the disk", ``faults`` puts its
errors into our words. Tables belong to the layers that use them (core.labels.schema).
"""
