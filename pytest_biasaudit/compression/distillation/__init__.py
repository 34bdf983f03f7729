"""Students: a smaller model taught to answer as its teacher does, on text of the user's."""
