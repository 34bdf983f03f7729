"""How big: metrics, and estimates of them."""
