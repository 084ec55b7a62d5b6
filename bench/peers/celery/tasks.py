"""The peer's only task: run `tr` over a file and return its output.

Nothing is kept on disk, no input travels (the task gets the file's path), nothing goes over HTTP: the
least that Celery can be asked to do for this work.
"""

import os
import subprocess

from celery import Celery

URL = os.environ["PEER_REDIS"]
app = Celery("peer", broker=URL, backend=URL)
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    # Events and task tracking are off: Celery at its fastest.
    worker_send_task_events=False,
    task_track_started=False,
    worker_prefetch_multiplier=4,
    broker_pool_limit=20,
)


@app.task
def translate(path):
    """`tr -d x < path`, as text."""
    with open(path, "rb") as source:
        done = subprocess.run(["/usr/bin/tr", "-d", "x"], stdin=source, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode("ascii")
