"""What it would take: an audit looked at before any model is loaded. Uses the context, the prompts and `stats.power`."""
