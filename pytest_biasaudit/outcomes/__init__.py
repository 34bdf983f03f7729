"""What came back: reading answers, collecting them, and the journal that keeps them."""
