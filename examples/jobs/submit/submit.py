"""Sends each line of its input as a job to the next worker, and prints what the workers answer."""

import itertools
import sys

import berth_ipc

WORKERS = ["jobs-python", "jobs-node", "jobs-cpp"]

ipc = berth_ipc.connect()
ipc.listen(lambda message: print(f"{message.sender}: {message.payload}"))
for line, worker in zip(sys.stdin, itertools.cycle(WORKERS)):
    # Stored when it returns: from here on the job is not lost, whoever is killed.
    ipc.notify(worker, line.strip())
