"""What can be said about rules without a payload: explanations of a field, and lint."""
