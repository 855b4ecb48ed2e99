"""Load TF Serving with windows of noise, and print latency and throughput.

Example: python load_test.py --card models/mmdense/1/assets.extra/card.json --concurrency 4
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from songs import CARD_HELP, RequestError, read_card

SERVERS = {"grpc": "localhost:8500", "rest": "http://localhost:8501"}


def measure(send, requests, concurrency):
    """Send requests from several threads in parallel, after a warm-up request.

    Args:
        send: Sends one request.
        requests: How many.
        concurrency: How many at a time.

    Returns:
        Latencies in seconds of those that succeeded, the messages of the others, and the seconds
        that all took together.
    """
    send()

    def timed(_):
        start = time.perf_counter()
        try:
            send()
        except RequestError as error:
            return None, str(error)
        return time.perf_counter() - start, None

    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        results = list(pool.map(timed, range(requests)))
    seconds = time.perf_counter() - start
    latencies = [latency for latency, error in results if error is None]
    return latencies, [error for _, error in results if error], seconds


def report(latencies, errors, seconds, audio):
    """Format the result of `measure`; `audio` is the seconds of music in a request."""
    lines = [f"requests   {len(latencies)} served, {len(errors)} failed in {seconds:.2f} s"]
    if latencies:
        points = np.percentile(latencies, [50, 90, 99, 100])
        names = ("median", "90 %", "99 %", "longest")
        parts = ", ".join(
            f"{name} {1000 * x:.0f} ms" for name, x in zip(names, points, strict=True)
        )
        rate = len(latencies) / seconds
        lines.append(f"latency    {parts}")
        lines.append(f"throughput {rate:.2f} requests/s, {rate * audio:.1f} s of music a second")
    lines += [f"error      {message}" for message in sorted(set(errors))]
    return "\n".join(lines)


def main():
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--card", required=True, help=CARD_HELP)
    parser.add_argument("--protocol", choices=SERVERS, default="grpc")
    parser.add_argument("--server", help=f"{SERVERS['grpc']} or {SERVERS['rest']} by default")
    parser.add_argument("--model", default="mmdense", help="name of the model on the server")
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--concurrency", type=int, default=4, help="requests at a time")
    arguments = parser.parse_args()
    try:
        card = read_card(arguments.card)
        client = _client(arguments, card)
        shape = (card["window"] + 2 * card["context"], card["channels"])
        noise = 0.1 * np.random.default_rng(0).standard_normal(shape, "float32")
        results = measure(lambda: client.separate(noise), arguments.requests, arguments.concurrency)
    except RequestError as error:
        sys.exit(f"error: {error}")
    print(report(*results, card["window"] / card["sample_rate"]))
    sys.exit(1 if results[1] else 0)


def _client(arguments, card):
    server = arguments.server or SERVERS[arguments.protocol]
    if arguments.protocol == "grpc":
        from client_grpc import GrpcClient as Client
    else:
        from client_rest import RestClient as Client
    return Client(server, arguments.model, card)


if __name__ == "__main__":
    main()
