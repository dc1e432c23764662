"""What a prediction means, in numbers."""
