"""Properties: small facts about the store itself, by name."""

from __future__ import annotations

from typing import Final

from sqlalchemy import bindparam, delete, select

from aggregator.store.db.database import Transaction
from aggregator.store.db.dialects import insert
from aggregator.store.db.schema import properties

EPOCH: Final = "epoch"  # of the changes: made with the store

_property: Final = select(properties.c.value).where(properties.c.name == bindparam("of"))
_properties: Final = select(properties.c.name, properties.c.value).where(properties.c.name.like(bindparam("pattern")))
_forget_property: Final = delete(properties).where(properties.c.name == bindparam("of"))


def read_property(tx: Transaction, name: str) -> str | None:
    """Return the value of the property `name`; None: there is none."""
    row = tx.first(_property, {"of": name})
    return None if row is None else str(row.value)


def read_properties(tx: Transaction, prefix: str) -> dict[str, str]:
    """Return the properties whose names begin with `prefix`, by name. `prefix` must not contain % or _."""
    return {row.name: str(row.value) for row in tx.all(_properties, {"pattern": f"{prefix}%"})}


def write_property(tx: Transaction, name: str, value: str) -> None:
    """Store the property `name`, in place of an earlier value."""
    statement = insert(tx.dialect.name, properties)
    upsert = statement.on_conflict_do_update(
        index_elements=[properties.c.name], set_={"value": statement.excluded.value}
    )
    tx.run(upsert, {"name": name, "value": value})


def delete_property(tx: Transaction, name: str) -> None:
    """Delete the property `name`, if there is one."""
    tx.run(_forget_property, {"of": name})
