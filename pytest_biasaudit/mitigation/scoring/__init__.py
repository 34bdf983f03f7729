"""How much each head, neuron or weight has to do with a person's name, or with the difference between groups."""
