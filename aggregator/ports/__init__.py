"""The protocols that use cases need, and the records that pass between them and the store."""
