"""What the `keras-selfattn` command does, a file for each thing."""
