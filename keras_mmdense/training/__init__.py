"""Training with Keras' `fit`."""
