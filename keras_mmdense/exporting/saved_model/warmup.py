"""Warm-up requests that TF Serving runs when it loads a model."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_mmdense.errors import InputError
from keras_mmdense.exporting.saved_model.wav import encode_wav
from keras_mmdense.separation.model_card import ModelCard

MODEL = "mmdense"


def write_warmup(path: Path, card: ModelCard) -> None:
    """Write a request of silence for each signature, with the sizes that clients send.

    Args:
        path: The file `tf_serving_warmup_requests`, records of `PredictionLog`.
        card: Card of the graph.

    Raises:
        InputError: If tensorflow-serving-api is not installed.
    """
    try:
        from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2
    except ImportError as error:
        raise InputError(
            "warm-up requests need tensorflow-serving-api: pip install keras_mmdense[export]"
        ) from error
    with tf.io.TFRecordWriter(str(path)) as file:
        for signature, inputs in _requests(card):
            spec = model_pb2.ModelSpec(name=MODEL, signature_name=signature)
            request = predict_pb2.PredictRequest(model_spec=spec, inputs=inputs)
            log = prediction_log_pb2.PredictLog(request=request)
            file.write(prediction_log_pb2.PredictionLog(predict_log=log).SerializeToString())


def _requests(card: ModelCard) -> Iterator[tuple[str, dict[str, Any]]]:
    def silence(*shape: int) -> Any:
        return tf.make_tensor_proto(0.0, tf.float32, shape)  # The value is repeated.

    window, hop, channels = card.window + 2 * card.context, card.hop, card.channels
    wav = encode_wav(np.zeros((hop, channels), "float32"), card.sample_rate).numpy()
    yield "serving_default", {"waveform": silence(1, card.window, channels)}
    lengths = tf.make_tensor_proto([hop, hop // 2], tf.int32)
    yield "separate_batch", {"waveform": silence(2, hop, channels), "lengths": lengths}
    yield "separate_window", {"waveform": silence(1, window, channels)}
    yield "separate_wav", {"wav_bytes": tf.make_tensor_proto([wav], tf.string)}
    bins, frames = card.n_fft // 2 + 1, window // hop
    yield "spectrogram", {"magnitude": silence(1, frames, bins, channels)}
