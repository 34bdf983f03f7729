"""What is asked: templates, people and the counterfactual prompts made of them."""
