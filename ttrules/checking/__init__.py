"""Check files of payloads: read, validate in several processes, report."""
