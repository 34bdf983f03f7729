"""Made fairer: where in a model a difference between groups sits, what removing it costs, and how far that carries.

Sees prompts, models, compression, outcomes and metrics. Importing this imports nothing heavy.
"""
