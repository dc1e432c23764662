"""Frames become features, states, labels and words."""
