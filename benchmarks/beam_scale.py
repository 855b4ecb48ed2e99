"""How separation of a catalog grows with workers, calculated: python benchmarks/beam_scale.py

A simulation, not a measurement: no cluster has run this pipeline. It hands songs to workers as a
runner does that gives the next song to whoever is free, and prints hours, cost and where the time
goes. Its assumptions, each an option:

- lengths of songs: log-normal around a median, and some long ones (mixes, concerts)
- a worker is one core; `benchmarks/beam.py` measures its speed, which scatters from machine to
  machine; some machines are much slower (stragglers)
- machines do not come at once: the cluster grows by a number of workers a minute, and each takes
  some time until its first song (machine, container, model)
- a worker is lost at random (preemption); its song is lost with it and starts again on the next
  free worker, and a new machine replaces it
- songs are not split, so that the last long song bounds the time from below
- copying is part of the speed: storage serves every worker as fast as it serves a few
- runners hand out single songs; one that hands out more at a time has longer ends
"""

import argparse
import heapq

import numpy as np


def song_hours(count, given, rng):
    lengths = rng.lognormal(np.log(given.median_minutes), given.spread, count)
    long = rng.random(count) < given.long_share
    lengths[long] = given.long_minutes
    return lengths / 60


def worker_speeds(count, given, rng):
    speeds = given.speed * rng.lognormal(0, given.machine_spread, count)
    return np.where(rng.random(count) < given.stragglers, speeds / given.slowdown, speeds)


def simulate(hours, workers, given, rng):
    """Give songs to free workers, in their order.

    Args:
        hours: Lengths of the songs.
        workers: How many.
        given: The assumptions.
        rng: Draws speeds and losses.

    Returns:
        Hours until the last song is done, hours that workers are paid for, songs started again.
    """
    speeds = worker_speeds(workers, given, rng)
    start = given.start_seconds / 3600
    paid_from = np.arange(workers) / given.growth / 60
    lost_at = paid_from + start + rng.exponential(given.hours_between_losses, workers)
    free = [(time + start, number) for number, time in enumerate(paid_from)]
    heapq.heapify(free)
    queue, again, done, paid, retries = list(hours[::-1]), [], 0.0, 0.0, 0
    while queue or again:
        time, number = heapq.heappop(free)
        if again and (again[0][0] <= time or not queue):
            known, length = heapq.heappop(again)
            time = max(time, known)
        else:
            length = queue.pop()
        end = time + length / speeds[number]
        if end <= lost_at[number]:
            done = max(done, end)
        else:  # the song waits for another worker, and this one for another machine
            lost = max(lost_at[number], time)
            heapq.heappush(again, (lost, length))
            retries += 1
            paid += lost - paid_from[number]
            paid_from[number] = lost
            end = lost + start
            lost_at[number] = end + rng.exponential(given.hours_between_losses)
            speeds[number] = worker_speeds(1, given, rng)[0]
        heapq.heappush(free, (end, number))
    paid += sum(time - paid_from[number] for time, number in free)  # until its last song
    return done, paid, retries


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 10, 100, 1000, 10_000])
    parser.add_argument("--speed", type=float, default=8.5, help="Audio hours an hour and core.")
    parser.add_argument("--price", type=float, default=0.05, help="Dollars an hour and core.")
    parser.add_argument("--median-minutes", type=float, default=3.6)
    parser.add_argument("--spread", type=float, default=0.35)
    parser.add_argument("--long-share", type=float, default=0.005)
    parser.add_argument("--long-minutes", type=float, default=60)
    parser.add_argument("--machine-spread", type=float, default=0.1)
    parser.add_argument("--stragglers", type=float, default=0.02, help="Share of slow machines.")
    parser.add_argument("--slowdown", type=float, default=3)
    parser.add_argument("--start-seconds", type=float, default=180)
    parser.add_argument("--growth", type=float, default=500, help="New workers a minute.")
    parser.add_argument("--hours-between-losses", type=float, default=24)
    given = parser.parse_args()
    hours = song_hours(given.songs, given, np.random.default_rng(0))
    total = hours.sum()
    print(f"{given.songs:,} songs, {total:,.0f} hours of audio, {given.speed:g} x real time a core")
    print("workers    hours  audio hours an hour  efficiency  started again  core hours  dollars")
    for workers in given.workers:
        done, paid, retries = simulate(hours, workers, given, np.random.default_rng(1))
        ideal = total / given.speed / workers
        print(
            f"{workers:7,} {done:8,.1f} {total / done:20,.0f} {ideal / done:11.0%} {retries:14,}"
            f" {paid:11,.0f} {paid * given.price:8,.0f}"
        )


if __name__ == "__main__":
    main()
