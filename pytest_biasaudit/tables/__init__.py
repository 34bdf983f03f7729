"""What is labelled: the user's own tables, found, read and checked row by row, and counted out of core.

Classifier audits, corpus audits, interventions on data and fine-tuning all take their rows from here. polars reads the
files; it is imported when a table is opened, never before.
"""
