"""Made smaller: recipes, apart from their application, and what they achieved."""
