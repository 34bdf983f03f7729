"""Is it allowed: verdicts, how they are reached, and what they say."""
