"""Programs for development."""
