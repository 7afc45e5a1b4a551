"""Pages for people: health, metrics, documents, Swagger UI, the matrix and the checker."""
