"""How far a set of components carries: found in one variation or context, evaluated in others."""
