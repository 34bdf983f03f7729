"""Weights set to zero, one by one or in a pattern: what prunes, by score."""
