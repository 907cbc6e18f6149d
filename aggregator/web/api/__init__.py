"""The API under `/api/v1`: routes that return JSON records, and the OpenAPI description of these records."""
