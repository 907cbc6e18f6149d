"""What drives the work: claims hosts, runs visits, feeds the extraction. Decides nothing about feeds or pages."""
