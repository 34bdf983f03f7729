"""A set of components kept in a file, taken out of a model for a while or for good, and put back. Imports torch."""
