"""The command `keras-mmdense`: parses, calls, reports. Heavy imports happen inside commands."""

import os
import sys

from keras_mmdense.cli import (  # noqa: F401
    blend,
    demo,
    efficiency,
    evaluate,
    export,
    export_tflite,
    export_web,
    filters,
    models,
    report,
    separate,
    serve,
    synth,
    train,
)
from keras_mmdense.cli.common import app
from keras_mmdense.errors import InputError


def main():
    """Runs the command; bad input ends in one line on stderr and exit status 2."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        app()
    except InputError as error:
        print(f"keras-mmdense: error: {error}", file=sys.stderr)
        sys.exit(2)
