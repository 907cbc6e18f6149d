"""Records in the store: lists by position become objects with names."""

from __future__ import annotations

from alembic import op

from aggregator.store.db.record_form import Position, convert_batch

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Convert what is left; `upgrading.convert_records` has converted most of it in short transactions before."""
    position: Position | None = Position()
    while position is not None:
        position = convert_batch(op.get_bind(), position)
