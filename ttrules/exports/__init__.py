"""What is made from the rules for other programs: OpenAPI, Postman, and the matrix as files."""
