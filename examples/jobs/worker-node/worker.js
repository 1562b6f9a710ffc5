"use strict";
// A worker: a job is done when its handler is. One that throws comes again, three times at most.

const { setTimeout: sleep } = require("node:timers/promises");
const { connect } = require("berth-ipc");

const ipc = connect();

ipc.listen(async (job) => {
    if (job.payload === "fail") throw new Error("this job cannot be done");
    await sleep(1500);
    const letters = [...job.payload].filter((c) => /\p{L}/u.test(c)).length;
    // The key makes that the same result when the job comes again after a crash.
    await ipc.notify(job.from, `${job.payload}: ${letters} letters`, { dedupe: `job-${job.id}` });
});
