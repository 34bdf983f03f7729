"""How sure: intervals, tests, resampling and power. Knows nothing of models, prompts or pytest."""
