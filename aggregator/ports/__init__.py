"""What use cases ask for: protocols, and the records that cross the border of the store."""
