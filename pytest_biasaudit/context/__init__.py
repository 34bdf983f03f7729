"""What is allowed: deployment contexts, declared in TOML and read strictly."""
