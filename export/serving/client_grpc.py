"""Separate songs with TF Serving over gRPC.

Example: python client_grpc.py song.wav -o stems --card models/mmdense/1/assets.extra/card.json
"""

import grpc
import numpy as np
import tensorflow as tf
from songs import RequestError, main, retrying
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
}


class GrpcClient:
    """Sends windows to a model's signature `separate_window`.

    Args:
        server: host:port of TF Serving's gRPC interface.
        model: Name of the model there.
        card: Its model card.
        timeout: Seconds that a window may take.
    """

    def __init__(self, server, model, card, timeout=120):
        unlimited = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
        channel = grpc.insecure_channel(server, options=unlimited)
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self._model, self._card, self._timeout = model, card, timeout

    def separate(self, window):
        """Stems (window, channels) by name, of (context + window + context, channels)."""
        mono = window.shape[1] < self._card["channels"]
        batch = np.repeat(window, 2, axis=1)[None] if mono else window[None]
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model
        request.model_spec.signature_name = "separate_window"
        request.inputs["waveform"].CopyFrom(tf.make_tensor_proto(batch, tf.float32))
        outputs = self._predict(request).outputs
        stems = {name: tf.make_ndarray(outputs[name])[0] for name in self._card["stems"]}
        if mono:
            stems = {name: stem.mean(axis=1, keepdims=True) for name, stem in stems.items()}
        return stems

    def _predict(self, request):
        try:
            return retrying(
                lambda: self._stub.Predict(request, timeout=self._timeout),
                lambda error: isinstance(error, grpc.RpcError) and error.code() in TRANSIENT,
            )
        except grpc.RpcError as error:
            raise RequestError(f"{error.code().name}: {error.details()}") from error


if __name__ == "__main__":
    main(__doc__, GrpcClient, "localhost:8500")
