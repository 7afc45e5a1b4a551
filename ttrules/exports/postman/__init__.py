"""A Postman collection of an API, generated from its document and its rules."""
