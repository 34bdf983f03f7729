"""Who answers: models, where they come from, and what may be asked of them."""
