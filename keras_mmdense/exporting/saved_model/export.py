"""Export to a SavedModel, waveform in and stems out, for TensorFlow and TF Serving."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import keras
import tensorflow as tf

from keras_mmdense.errors import InputError
from keras_mmdense.exporting.saved_model.signatures import Signatures
from keras_mmdense.exporting.saved_model.warmup import write_warmup
from keras_mmdense.exporting.source import load_source
from keras_mmdense.separation.graph import WINDOW_FRAMES
from keras_mmdense.separation.model_card import SAVED_MODEL_CARD, ModelCard
from keras_mmdense.utils.files import replacing_folder

EXTRA = "assets.extra"
WARMUP = f"{EXTRA}/tf_serving_warmup_requests"
CONTENTS = (EXTRA, "assets", "fingerprint.pb", "saved_model.pb", "variables")


def export_saved_model(
    models: Sequence[str | Path], out: str | Path, window: int = WINDOW_FRAMES
) -> ModelCard:
    """Write trained networks with STFT and Wiener filter as one SavedModel.

    Its signatures (see `export/README.md`): `serving_default` and `separate_window` for waveforms,
    `separate_batch` for padded ones with their lengths, `separate_wav` for WAV files as bytes,
    `spectrogram` for magnitudes. It loads with `tf.saved_model.load` without this package.
    `assets.extra` holds the model card and warm-up requests for TF Serving.

    Args:
        models: Names or folders of trained networks, see `load_network`, with different stems.
        out: Folder to write; an older export there is replaced, if it contains nothing else.
        window: Frames of a window that are kept, see `Separator`.

    Returns:
        The card that was written.

    Raises:
        InputError: If a network is unknown, `out` is anything other than an export or cannot be
            written, Keras does not run on TensorFlow, or tensorflow-serving-api is missing.

    Example:

    >>> export_saved_model(["mdensenet_cws_4stems"], "models/mmdense/1").stems
    ('vocals', 'drums', 'bass', 'other')
    """
    if keras.backend.backend() != "tensorflow":
        raise InputError(
            f"a SavedModel needs KERAS_BACKEND=tensorflow, not {keras.backend.backend()!r}"
        )
    with replacing_folder(out, SAVED_MODEL_CARD, CONTENTS) as folder:
        source = load_source(models, window)
        signatures = Signatures(source)
        archive = keras.export.ExportArchive()  # Tracking the graph would store the weights twice.
        for name, (function, specs) in signatures.all().items():
            archive.add_endpoint(name, function, input_signature=specs)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                archive.write_out(str(folder))
            (folder / EXTRA).mkdir()
            (folder / SAVED_MODEL_CARD).write_text(signatures.card.to_json())
            write_warmup(folder / WARMUP, signatures.card)
        except tf.errors.OpError as error:  # A full disk, among others, where TensorFlow writes.
            raise InputError(f"{out}: cannot be written; is the disk full?") from error
    return signatures.card
