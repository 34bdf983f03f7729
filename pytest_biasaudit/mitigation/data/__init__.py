"""Interventions on the data that a classifier learns from or is tested on: each takes a table and gives another.

Knows `tables/` and nothing of models. A table that comes out carries a `Change` more: what was done, by which settings and
seed, and rows by label and group before and after. Nothing is lost but what the rule of the method removes.
"""
