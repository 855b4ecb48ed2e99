"""Separate songs with TF Serving over HTTP; windows are sent as WAV files in base64.

Example: python client_rest.py song.wav -o stems --card models/mmdense/1/assets.extra/card.json
"""

import base64
import io

import requests
import soundfile
from songs import RequestError, main, retrying

TRANSIENT = {429, 502, 503, 504}


class RestClient:
    """Sends windows to a model's signature `separate_wav`.

    Args:
        server: URL of TF Serving's REST interface.
        model: Name of the model there.
        card: Its model card.
        timeout: Seconds that a window may take.
    """

    def __init__(self, server, model, card, timeout=120):
        self._url = f"{server.rstrip('/')}/v1/models/{model}:predict"
        self._card, self._timeout = card, timeout

    def separate(self, window):
        """Stems (window, channels) by name, of (context + window + context, channels)."""
        file = io.BytesIO()
        soundfile.write(file, window, self._card["sample_rate"], "FLOAT", format="WAV")
        wav = {"b64": base64.b64encode(file.getvalue()).decode()}
        outputs = self._predict({"signature_name": "separate_wav", "inputs": {"wav_bytes": [wav]}})
        context = self._card["context"]
        stems = {}
        for name in self._card["stems"]:
            file = io.BytesIO(base64.b64decode(outputs[f"{name}_bytes"][0]["b64"]))
            stem, _ = soundfile.read(file, dtype="float32", always_2d=True)
            stems[name] = stem[context : len(stem) - context]
        return stems

    def _predict(self, body):
        def post():
            response = requests.post(self._url, json=body, timeout=self._timeout)
            response.raise_for_status()
            return response.json()["outputs"]

        try:
            return retrying(post, _transient)
        except requests.HTTPError as error:
            raise RequestError(f"{error}: {error.response.text}") from error
        except requests.RequestException as error:
            raise RequestError(f"{self._url}: {error}") from error


def _transient(error):
    if isinstance(error, requests.HTTPError):
        return error.response.status_code in TRANSIENT
    return isinstance(error, requests.ConnectionError | requests.Timeout)


if __name__ == "__main__":
    main(__doc__, RestClient, "http://localhost:8501")
