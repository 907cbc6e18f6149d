"""Walls: one document at several addresses that feeds announced as different articles."""
