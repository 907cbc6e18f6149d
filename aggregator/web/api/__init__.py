"""`/api/v1`: records in, records out, and their OpenAPI description."""
