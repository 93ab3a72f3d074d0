"""Other people's trained weights, read into our layers."""
