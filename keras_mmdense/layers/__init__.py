"""The Keras layers around and inside a network; keras.ops only."""
