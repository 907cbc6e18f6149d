"""Drives the work: claims hosts, runs visits, sends fetched pages to extraction.

Decides nothing about feeds or pages.
"""
