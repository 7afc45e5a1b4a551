"""The operations of the documents, without framework and without SQL."""
