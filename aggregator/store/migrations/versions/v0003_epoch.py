"""The store's epoch: cursors of one epoch mean nothing in another."""

from __future__ import annotations

import uuid

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Give the store an epoch."""
    properties = sa.table("properties", sa.column("name", sa.Text()), sa.column("value", sa.Text()))
    op.bulk_insert(properties, [{"name": "epoch", "value": uuid.uuid4().hex}])
