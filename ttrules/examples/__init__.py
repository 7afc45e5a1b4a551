"""Made-up payloads: valid ones, ones with one defect, and pairs of request and response."""
