"""What commands of `keras-elastor` are made of, where they are more than a few lines."""
