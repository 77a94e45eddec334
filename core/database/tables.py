"""What all tables are declared in; each belongs to the layer that uses it.

A table that is added or changed needs a step in migrations/versions, and ``migrate.NEWEST`` raised: a test
holds the two against each other on both databases.
"""

from sqlalchemy import MetaData

metadata = MetaData()
