"""`/api/v1`: records in, records out, and what its OpenAPI description tells."""
