"""What a visitor has chosen, and what was encoded for them."""
