"""Clients of the peer. Usage: client.py PATH CLIENTS SECONDS PAUSE; prints one line of JSON.

Each client is a process of its own (Celery's result consumer is not meant for threads): it submits a
job, waits for the result, compares every byte, pauses PAUSE seconds, and so on until SECONDS have
passed.
"""

import json
import multiprocessing
import sys
import time

path, clients, seconds, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4])


def work(start, answers):
    """One client: latencies in ms of the jobs done between `start` and `start + seconds`."""
    from tasks import translate

    with open(path, encoding="ascii") as source:
        expected = source.read().replace("x", "")
    translate.delay(path).get(timeout=60)  # opens the connections before the clock starts
    time.sleep(max(0.0, start - time.monotonic()))
    latencies, wrong = [], 0
    while True:
        before = time.monotonic()
        if before >= start + seconds:
            break
        output = translate.delay(path).get(timeout=60)
        latencies.append((time.monotonic() - before) * 1000)
        wrong += output != expected
        if pause:
            time.sleep(pause)
    answers.put((latencies, wrong, time.monotonic()))


if __name__ == "__main__":
    queue = multiprocessing.Queue()
    begin = time.monotonic() + 2
    workers = [multiprocessing.Process(target=work, args=(begin, queue)) for _ in range(clients)]
    for worker in workers:
        worker.start()
    results = [queue.get() for _ in workers]
    for worker in workers:
        worker.join()
    elapsed = max(end for _, _, end in results) - begin
    latencies = [latency for own, _, _ in results for latency in own]
    print(json.dumps({"seconds": elapsed, "latencies": latencies, "wrong": sum(w for _, w, _ in results)}))
