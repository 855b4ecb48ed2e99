"""The serving kit against a small server of our own, or TF Serving at TF_SERVING_URL.

TF_SERVING_URL is the REST address, such as http://localhost:8501, of a server that has
`mdensenet_cws_4stems`, exported as export/README.md says; gRPC is expected one port lower.
"""

import base64
import http.server
import importlib
import json
import os
import re
import subprocess
import sys
import threading
import types
from concurrent import futures
from pathlib import Path
from urllib.parse import urlsplit

import grpc
import numpy as np
import pytest
import soundfile
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.apis import prediction_log_pb2, prediction_service_pb2_grpc
from tensorflow_serving.apis.predict_pb2 import PredictResponse
from tensorflow_serving.config import model_server_config_pb2

from keras_mmdense.separation.separator import Separator

KIT = Path(__file__).parents[3] / "export" / "serving"
URL = os.environ.get("TF_SERVING_URL")


@pytest.fixture(scope="module")
def kit():
    """The scripts, imported as Python finds them when it runs one of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(KIT))
        names = ("songs", "client_grpc", "client_rest", "load_test")
        yield types.SimpleNamespace(**{name: importlib.import_module(name) for name in names})


class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    """TF Serving's Predict on a loaded SavedModel; `busy` requests are turned away first."""

    def __init__(self, model):
        self.model, self.busy, self.served = model, 0, 0

    def Predict(self, request, context):
        if self.busy:
            self.busy -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "try again")
        if request.model_spec.name != "mmdense":
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        try:
            outputs = self.run(request.model_spec.signature_name, inputs)
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        protos = {name: tf.make_tensor_proto(value) for name, value in outputs.items()}
        return PredictResponse(outputs=protos)

    def run(self, signature, inputs):
        self.served += 1
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        return {k: v.numpy() for k, v in self.model.signatures[signature](**tensors).items()}


def rest_handler(service):
    class Handler(http.server.BaseHTTPRequestHandler):
        """TF Serving's REST predict, for strings: base64 in, base64 out where a name asks so."""

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if service.busy:
                service.busy -= 1
                return self.answer(503, {"error": "try again"})
            if self.path != "/v1/models/mmdense:predict":
                return self.answer(404, {"error": "Servable not found for request"})
            inputs = {
                name: [base64.b64decode(value["b64"]) for value in values]
                for name, values in body["inputs"].items()
            }
            try:
                outputs = service.run(body["signature_name"], inputs)
            except tf.errors.InvalidArgumentError as error:
                return self.answer(400, {"error": error.message})
            assert all(name.endswith("_bytes") for name in outputs)
            encoded = {
                name: [{"b64": base64.b64encode(value).decode()} for value in values]
                for name, values in outputs.items()
            }
            return self.answer(200, {"outputs": encoded})

        def answer(self, status, content):
            content = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture(scope="module")
def service(loaded):
    return Service(loaded)


@pytest.fixture(scope="module")
def own_servers(service):
    """Addresses of the gRPC and the REST server in this process."""
    unlimited = [(f"grpc.max_{way}_message_length", -1) for way in ("send", "receive")]
    server = grpc.server(futures.ThreadPoolExecutor(2), options=unlimited)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    web = http.server.ThreadingHTTPServer(("localhost", 0), rest_handler(service))
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield {"grpc": f"localhost:{port}", "rest": f"http://localhost:{web.server_port}"}
    web.shutdown()
    web.server_close()
    server.stop(None)


@pytest.fixture(scope="module")
def served(request):
    """Addresses of the servers, and the separator whose stems they must give."""
    if URL:
        from keras_mmdense.exporting.source import load_source

        address = urlsplit(URL)
        servers = {"grpc": f"{address.hostname}:{address.port - 1}", "rest": URL}
        return servers, load_source(["mdensenet_cws_4stems"]).separator
    source = request.getfixturevalue("tiny_source")
    return request.getfixturevalue("own_servers"), source.separator


@pytest.fixture(scope="module")
def card_file(served, tmp_path_factory):
    path = tmp_path_factory.mktemp("card") / "card.json"
    path.write_text(served[1].card.to_json())
    return path


def client(kit, protocol, server, card, model="mmdense"):
    module = {"grpc": kit.client_grpc.GrpcClient, "rest": kit.client_rest.RestClient}
    return module[protocol](server, model, card)


@pytest.fixture
def quick(kit, monkeypatch):
    """Waiting between attempts takes no time."""
    monkeypatch.setattr(kit.songs, "FIRST_WAIT", 0)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize("channels", [1, 2])
def test_joined_stems_equal_the_separator(
    kit, served, card_file, real_mixture, tmp_path, protocol, channels
):
    """A song longer than two windows, from file to files."""
    servers, separator = served
    samples = int(2.3 * separator.card.window)
    song = np.resize(real_mixture, (samples, 2))[:, :channels]
    soundfile.write(tmp_path / "song.wav", song, 44100, "FLOAT")
    card = kit.songs.read_card(card_file)
    separate = client(kit, protocol, servers[protocol], card).separate
    files = kit.songs.separate_song(tmp_path / "song.wav", tmp_path / "out", card, separate)
    assert sorted(files) == sorted((tmp_path / "out").iterdir())
    for name, stem in separator.separate(song, 44100).items():
        found, rate = soundfile.read(tmp_path / "out" / f"{name}.wav", always_2d=True)
        assert rate == 44100
        np.testing.assert_allclose(found, stem, rtol=0, atol=1e-5)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_the_script_separates(served, card_file, real_mixture, tmp_path, protocol):
    servers, separator = served
    soundfile.write(tmp_path / "song.wav", real_mixture[:3000], 44100, "FLOAT")
    script = KIT / f"client_{protocol}.py"
    where = ["--server", servers[protocol], "--card", card_file]
    command = [sys.executable, script, tmp_path / "song.wav", "-o", tmp_path / "out", *where]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert len(run.stdout.split()) == len(separator.card.stems)
    for name, stem in separator.separate(real_mixture[:3000], 44100).items():
        found, _ = soundfile.read(tmp_path / "out" / f"{name}.wav")
        np.testing.assert_allclose(found, stem, rtol=0, atol=1e-5)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_busy_servers_are_asked_again(kit, own_servers, service, tiny_source, quick, protocol):
    card = json.loads(tiny_source.separator.card.to_json())
    window = np.zeros((card["window"] + 2 * card["context"], 2), "float32")
    ask = client(kit, protocol, own_servers[protocol], card)
    service.busy, service.served = kit.songs.ATTEMPTS - 1, 0
    assert ask.separate(window)["vocals"].shape == (card["window"], 2)
    assert (service.busy, service.served) == (0, 1)
    service.busy = kit.songs.ATTEMPTS
    with pytest.raises(kit.songs.RequestError, match="UNAVAILABLE|503"):
        ask.separate(window)
    assert (service.busy, service.served) == (0, 1)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_refused_requests_are_told_and_leave_no_files(
    kit, own_servers, service, tiny_source, tmp_path, protocol
):
    card = json.loads(tiny_source.separator.card.to_json())
    song = np.zeros((1000, 2), "float32")
    song[5] = np.nan
    soundfile.write(tmp_path / "song.wav", song, 44100, "FLOAT")
    service.served = 0
    for model, message in (("mmdense", "must hold finite numbers"), ("other", "not found")):
        separate = client(kit, protocol, own_servers[protocol], card, model).separate
        with pytest.raises(kit.songs.RequestError, match=message):
            kit.songs.separate_song(tmp_path / "song.wav", tmp_path / "out", card, separate)
    assert service.served == 1
    assert not list((tmp_path / "out").iterdir())


def test_waits_grow(kit):
    waits = []

    def fails():
        raise ConnectionError

    with pytest.raises(ConnectionError):
        kit.songs.retrying(fails, lambda error: True, waits.append)
    bounds = [kit.songs.FIRST_WAIT * 2**i for i in range(kit.songs.ATTEMPTS - 1)]
    assert len(waits) == len(bounds)
    assert all(high / 2 <= wait <= high for wait, high in zip(waits, bounds, strict=True))


@pytest.mark.parametrize(
    ("samples", "channels", "rate", "message"),
    [
        (100, 2, 48000, "48000 Hz, the model works at 44100 Hz"),
        (100, 3, 44100, "3 channels"),
        (0, 2, 44100, "no samples"),
    ],
)
def test_songs_that_do_not_fit_are_named(
    kit, tiny_source, tmp_path, samples, channels, rate, message
):
    card = json.loads(tiny_source.separator.card.to_json())
    soundfile.write(tmp_path / "song.wav", np.zeros((samples, channels)), rate)
    with pytest.raises(kit.songs.RequestError, match=f"song.wav.*{message}"):
        kit.songs.separate_song(tmp_path / "song.wav", tmp_path / "out", card, None)


@pytest.mark.parametrize("suffix", ["mp3", "flac"])
def test_songs_that_end_early_are_named(kit, tiny_source, real_mixture, tmp_path, suffix):
    card = json.loads(tiny_source.separator.card.to_json())
    song = tmp_path / f"song.{suffix}"
    soundfile.write(song, real_mixture[: 20 * 44100], 44100)
    song.write_bytes(song.read_bytes()[: int(0.8 * song.stat().st_size)])

    def silence(window):
        return {stem: np.zeros((card["window"], 2), "float32") for stem in card["stems"]}

    with pytest.raises(kit.songs.RequestError, match=f"song.{suffix}: (ends early|cannot be read)"):
        kit.songs.separate_song(song, tmp_path / "out", card, silence)
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_load_is_measured(served, card_file, protocol):
    command = [sys.executable, KIT / "load_test.py", "--card", card_file, "--protocol", protocol]
    command += ["--server", served[0][protocol], "--requests", "3", "--concurrency", "2"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("requests   3 served, 0 failed")
    assert re.search(r"median \d+ ms, 90 % \d+ ms, 99 % \d+ ms, longest \d+ ms", run.stdout)


def test_load_counts_failures(kit):
    calls = []

    def send():
        calls.append(1)
        if len(calls) == 3:
            raise kit.songs.RequestError("refused")

    latencies, errors, seconds = kit.load_test.measure(send, 5, 1)
    assert (len(latencies), errors, len(calls)) == (4, ["refused"], 6)
    assert "4 served, 1 failed" in kit.load_test.report(latencies, errors, seconds, 1.0)


def test_warmup_records_run(exported, loaded):
    """Every signature has one, as tensorflow-serving-api reads them."""
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    seen = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        assert log.WhichOneof("log_type") == "predict_log"
        request = log.predict_log.request
        assert request.model_spec.name == "mmdense"
        seen.append(request.model_spec.signature_name)
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        outputs = loaded.signatures[seen[-1]](**inputs)
        assert all(len(output) == len(next(iter(inputs.values()))) for output in outputs.values())
    assert sorted(seen) == sorted(loaded.signatures)
    assert path.stat().st_size < 20000


def test_configurations_agree():
    models = text_format.Parse(
        (KIT / "models.config").read_text(), model_server_config_pb2.ModelServerConfig()
    )
    (model,) = models.model_config_list.config
    assert (model.name, model.base_path) == ("mmdense", "/models/mmdense")
    compose = yaml.safe_load((KIT / "docker-compose.yml").read_text())["services"]["serving"]
    deployment, service = yaml.safe_load_all((KIT / "kubernetes.yaml").read_text())
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert compose["command"] == container["args"] and compose["image"] == container["image"]
    assert container["readinessProbe"]["httpGet"]["path"] == f"/v1/models/{model.name}"
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    targets = {volume.split(":")[1] for volume in compose["volumes"]}
    assert mounts == {model.base_path, "/config"}
    assert targets == {model.base_path, "/config/models.config", "/config/batching.config"}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == {"grpc", "rest"}


def test_batching_configuration_is_one_that_serving_takes():
    """Its proto is in no package: sizes must rise and end at the largest, and nothing is padded."""
    text = (KIT / "batching.config").read_text()
    sizes = [int(size) for size in re.findall(r"^allowed_batch_sizes: (\d+)$", text, re.M)]
    (largest,) = re.findall(r"^max_batch_size \{ value: (\d+) \}$", text, re.M)
    assert sizes == sorted(set(sizes)) and sizes[-1] == int(largest)
    assert "pad_variable_length_inputs: false" in text


def test_the_default_windows_need_no_padding(kit, tiny_source):
    """Every window a client sends has one length, so that a server can batch them."""
    card = json.loads(Separator.from_networks(tiny_source.networks).card.to_json())
    song = types.SimpleNamespace(
        frames=int(2.5 * card["window"]),
        seek=lambda start: None,
        read=lambda n, **_: np.zeros((n, 2), "float32"),
    )
    windows = list(kit.songs._windows(song, card))
    assert {window.shape for _, window in windows} == {(card["window"] + 2 * card["context"], 2)}
    assert [done for done, _ in windows] == [card["window"], 2 * card["window"], song.frames]
