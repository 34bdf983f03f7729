"""Attention heads and MLP neurons: where they are in a model, masked for a while, or removed for good.

Import what you use from its own module: `structure_of` in `finding`, `masked` in `masks`, `edited` in `edits`.
"""
