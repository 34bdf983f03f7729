"""What is taught: a module trained on batches by a plan, stopped and gone on with, and kept when it is finished.

Knows nothing of recipes, tokenizers or bias: `compression.distillation` says what is learnt from what.
"""
