"""Opening, upgrading, copying a store."""
