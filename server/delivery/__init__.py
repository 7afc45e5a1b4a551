"""Delivery of events: the worker, one attempt, retries and signatures."""
