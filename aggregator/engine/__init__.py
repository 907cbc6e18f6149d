"""Drives the work: claims hosts, runs visits, sends pages to extraction. Decides nothing about feeds or pages."""
