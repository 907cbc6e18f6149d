"""Reads the words that extraction looks for in pages: `publishers/tables/page_words.toml`, read once."""

from __future__ import annotations

from aggregator.text.tables import read_table

_TABLE = read_table("page_words")

HIDDEN_CLASSES: frozenset[str] = frozenset(_TABLE["hidden"]["classes"])
QUOTES: dict[str, tuple[str, str]] = {language: (marks[0], marks[1]) for language, marks in _TABLE["quotes"].items()}
LEAD_INS: tuple[str, ...] = tuple(_TABLE["bylines"]["lead_ins"])
LABELS: tuple[str, ...] = tuple(_TABLE["bylines"]["labels"])
CONJUNCTIONS: tuple[str, ...] = tuple(_TABLE["bylines"]["conjunctions"])
ROLES: tuple[str, ...] = tuple(_TABLE["bylines"]["roles"])
FURNITURE: frozenset[str] = frozenset(_TABLE["furniture"]["names"])
BOXES: frozenset[str] = frozenset(_TABLE["furniture"]["boxes"])
AUTHOR_NAMES: frozenset[str] = frozenset(_TABLE["author_marks"]["names"])
NOT_AUTHOR_NAMES: frozenset[str] = frozenset(_TABLE["author_marks"]["other_names"])
OTHERS_NAMES: frozenset[str] = frozenset(_TABLE["author_marks"]["places_of_others"])
AUTHOR_PATHS: frozenset[str] = frozenset(_TABLE["author_marks"]["paths"])
NETWORKS: frozenset[str] = frozenset(_TABLE["networks"]["domains"])
