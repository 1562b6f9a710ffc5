#!/bin/sh
# Does a job every second, warns on stderr, and fails after some of them.
jobs=$(( $(od -An -N1 -tu1 /dev/urandom) % 20 + 10 ))
printf 'worker %s begins, %s jobs ahead\n' "$$" "$jobs"
job=0
while [ "$job" -lt "$jobs" ]; do
    job=$((job + 1))
    printf '\033[32mdone\033[0m job %s of %s\n' "$job" "$jobs"
    if [ $((job % 5)) -eq 0 ]; then
        printf '\033[33mwarning\033[0m: the queue is long\n' >&2
    fi
    sleep 1
done
printf '\033[31merror\033[0m: lost the connection to nowhere\n' >&2
exit 3
