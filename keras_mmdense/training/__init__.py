"""Training with a Keras `fit`."""
