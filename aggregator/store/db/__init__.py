"""What all queries stand on: tables, dialects, transactions."""
