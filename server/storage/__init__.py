"""The database: connections, tables, and every SQL statement."""
