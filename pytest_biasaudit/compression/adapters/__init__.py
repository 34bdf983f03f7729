"""Adapters: small trained additions to a parent's weights, merged into them."""
