"""Fewer bits a weight: what quantises, by back end."""
