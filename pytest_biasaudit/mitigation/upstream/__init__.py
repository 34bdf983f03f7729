"""Interventions on a model before it is fine-tuned: each takes a model and gives another, and the first is not touched.

Knows models, compression and training. A model that comes out names its parent and says in its recipe what was done.
"""
