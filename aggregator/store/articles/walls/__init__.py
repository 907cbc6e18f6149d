"""Walls: documents that stand at addresses which feeds announced as different articles."""
