"""Turns at the model."""

import threading

from keras_mmdense.beam.fair_lock import FairLock


def test_threads_get_their_turn_in_the_order_in_which_they_ask():
    lock, turns, ready = FairLock(), [], threading.Semaphore(0)

    def work(name):
        with lock:
            turns.append(name)

    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    with lock:
        for thread in threads:
            thread.start()
            while len(lock._waiting) <= threads.index(thread):
                ready.acquire(timeout=0.001)
    for thread in threads:
        thread.join()
    assert turns == ["a", "b", "c"]


def test_a_thread_that_comes_back_waits_behind_the_others():
    """A plain lock would let the thread that gives the model back take it again at once."""
    lock, turns = FairLock(), []
    start = threading.Barrier(3)

    def work(name, windows):
        start.wait()
        for _ in range(windows):
            with lock:
                turns.append(name)
                while len(lock._waiting) < len(running) - 1:
                    start_over.wait(0.001)
        running.remove(name)

    running, start_over = {"long", "short 1", "short 2"}, threading.Event()
    threads = [
        threading.Thread(target=work, args=(name, windows))
        for name, windows in (("long", 40), ("short 1", 3), ("short 2", 3))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(turns) == 46
    # Three at a time: a song of three windows is done after three rounds of three.
    assert {"short 1", "short 2"} & set(turns[10:]) == set()


def test_an_error_releases_the_lock():
    lock = FairLock()
    for _ in range(3):
        try:
            with lock:
                raise ValueError
        except ValueError:
            pass
