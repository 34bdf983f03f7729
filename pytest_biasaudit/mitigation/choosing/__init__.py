"""Which components to remove, from their scores. Imports numpy; no model is asked here but through a `Trial`."""
