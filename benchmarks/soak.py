"""Memory and file descriptors over many songs and requests, asserted: python benchmarks/soak.py

Prints, and fails where it does not hold:
- `separate` over 500 short songs in one process: after the first fifth, memory grows by 5 % at
  most, and no descriptor stays open
- a server with a SavedModel and the client of export/serving, on this machine, for ten minutes: the
  same for both
"""

import argparse
import multiprocessing
import os
import platform
import sys
import tempfile
import time
from concurrent import futures
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import soundfile

RATE = 44100
KIT = Path(__file__).parents[1] / "export" / "serving"
GROWTH = 1.05


def used(process="self"):
    """Memory in MB and open descriptors of a process (Linux)."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(f"/proc/{process}/fd"))


def check(name, before, after):
    print(f"{name}: {before[0]:.0f} MB, {before[1]} descriptors; later {after[0]:.0f}, {after[1]}")
    assert after[0] <= GROWTH * before[0] and after[1] <= before[1], name


def write_songs(folder, count):
    """Write songs of half a second to four, in turns in three formats."""
    rng = np.random.default_rng(0)
    for number in range(count):
        sound = rng.uniform(-0.3, 0.3, (rng.integers(RATE // 2, 4 * RATE), 2))
        suffix = ("wav", "flac", "ogg")[number % 3]
        soundfile.write(folder / f"{number:03}.{suffix}", sound, RATE)


def many_songs(folder, count):
    from keras_mmdense.audio.output import Output
    from keras_mmdense.separation.batch import Job, find_audio
    from keras_mmdense.separation.separator import Separator

    (folder / "songs").mkdir()
    write_songs(folder / "songs", count)
    seen = []

    def note(result):
        assert result.written, result.error
        seen.append(used())

    job = Job(Separator(), folder / "stems", Output(format="flac"))
    job.run(find_audio([folder / "songs"]), lambda _: lambda *_: None, note)
    assert len(seen) == count
    check(f"{count} songs", seen[count // 5], seen[-1])


def serve(model, port, started):
    """TF Serving's Predict on a SavedModel, for as long as the process lives."""
    import grpc
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_service_pb2_grpc
    from tensorflow_serving.apis.predict_pb2 import PredictResponse

    signatures = tf.saved_model.load(model).signatures

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):
            inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
            found = signatures[request.model_spec.signature_name](**inputs)
            outputs = {name: tf.make_tensor_proto(x.numpy()) for name, x in found.items()}
            return PredictResponse(outputs=outputs)

    size = ("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)
    server = grpc.server(futures.ThreadPoolExecutor(2), options=size)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port.value = server.add_insecure_port("127.0.0.1:0")
    server.start()
    started.set()
    server.wait_for_termination()


def many_requests(folder, minutes):
    sys.path.insert(0, str(KIT))
    from client_grpc import GrpcClient
    from songs import read_card

    from keras_mmdense.exporting.saved_model.export import export_saved_model

    export_saved_model(["mdensenet_cws_4stems"], folder / "model")
    (card_file,) = folder.glob("model/**/card.json")
    context = multiprocessing.get_context("spawn")
    port, started = context.Value("i"), context.Event()
    server = context.Process(
        target=serve, args=(str(card_file.parents[1]), port, started), daemon=True
    )
    server.start()
    assert started.wait(120)
    card = read_card(card_file)
    client = GrpcClient(f"127.0.0.1:{port.value}", "mmdense", card)
    shape = card["window"] + 2 * card["context"], card["channels"]
    noise = 0.1 * np.random.default_rng(0).standard_normal(shape, "float32")
    start, served, before = time.monotonic(), 0, None
    while (elapsed := time.monotonic() - start) < 60 * minutes:
        client.separate(noise)
        served += 1
        if before is None and elapsed > 12 * minutes:
            before = used(server.pid), used()
    for name, early, late in zip(
        ("server", "client"), before, (used(server.pid), used()), strict=True
    ):
        check(f"{name}, {served} requests", early, late)
    server.kill()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--songs", type=int, default=500)
    parser.add_argument("--minutes", type=float, default=10)
    given = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    with tempfile.TemporaryDirectory() as folder:
        many_songs(Path(folder), given.songs)
    with tempfile.TemporaryDirectory() as folder:
        many_requests(Path(folder), given.minutes)


if __name__ == "__main__":
    main()
