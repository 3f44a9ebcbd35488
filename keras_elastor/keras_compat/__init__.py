"""Ways around faults of Keras; each module names the Keras version that ends it."""
