"""Walls: documents at several addresses that feeds announced as different articles."""
