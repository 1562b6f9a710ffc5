"""A worker: a job is done when its handler returns. One that raises comes again, three times at most."""

import threading
import time

import berth_ipc

ipc = berth_ipc.connect()


def work(job):
    if job.payload == "fail":
        raise ValueError("this job cannot be done")
    time.sleep(1.5)
    letters = sum(c.isalpha() for c in job.payload)
    # The key makes that the same result when the job comes again after a crash.
    ipc.notify(job.sender, f"{job.payload}: {letters} letters", dedupe=f"job-{job.id}")


ipc.listen(work)
threading.Event().wait()
