"""Which lever helps: interventions on the model and on its data, crossed, fine-tuned over seeds, and measured downstream."""
