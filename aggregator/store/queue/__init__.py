"""What is due: hosts, feeds, pages; claims and leases."""
