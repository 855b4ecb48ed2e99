"""`python -m keras_mmdense` is the command `keras-mmdense`."""

from keras_mmdense.cli import main

if __name__ == "__main__":
    main()
