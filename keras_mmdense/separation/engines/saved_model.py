"""The engine of an exported SavedModel, in TensorFlow."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_mmdense.errors import InputError
from keras_mmdense.separation.engines.engine import Engine
from keras_mmdense.separation.model_card import SAVED_MODEL_CARD, ModelCard


def saved_model_engine(path: Path) -> Engine:
    """Load a SavedModel that `export saved-model` wrote.

    Args:
        path: Its folder.

    Returns:
        The engine.

    Raises:
        InputError: If the SavedModel is damaged, has no card or contradicts its card.
    """
    try:
        card_file = path / SAVED_MODEL_CARD
        card = ModelCard.from_json(card_file.read_text(encoding="utf-8"), str(card_file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no model card; export it with keras-mmdense") from error
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:  # TensorFlow raises anything where a part of it is damaged
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise InputError(f"{path}: incomplete SavedModel: {reason}") from error
    names = [x for x in ("separate_window", "serving_default") if x in loaded.signatures]
    if not names:
        raise InputError(f"{path}: has no signature serving_default")
    inputs = loaded.signatures[names[0]].structured_input_signature[1]
    if list(inputs) != ["waveform"]:
        raise InputError(f"{path}: takes {', '.join(inputs)}; expected a graph from a waveform")
    outputs = loaded.signatures[names[0]].structured_outputs
    if missing := sorted(set(card.stems) - set(outputs)):
        raise InputError(f"{path}: has no output {missing[0]}, which its card names")
    # separate_window leaves the context away, which serving_default takes for more music.
    trim = 0 if names[0] == "separate_window" else card.context

    def run(waveforms: np.ndarray) -> np.ndarray:
        # The functions of a SavedModel live as long as `loaded` does.
        found = loaded.signatures[names[0]](waveform=tf.constant(waveforms, tf.float32))
        stems = np.stack([found[stem].numpy() for stem in card.stems], axis=1)
        return stems[:, :, trim : trim + card.window]

    return Engine("saved_model", card, lambda: run, recipe=(saved_model_engine, (path,)))
