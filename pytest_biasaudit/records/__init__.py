"""What we keep: records of audits, and the evidence file they make."""
