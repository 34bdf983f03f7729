"""What it learnt from: co-occurrence and prevalence in the data that a classifier is fine-tuned on, scanned in chunks."""
