/* The limit: a supervisor that only forks, execs and waits. Starts COUNT children and says so,
 * restarts each that ends, and on SIGTERM ends all and says so.
 *   limit COUNT COMMAND...
 * Prints "up", then "PID" of each child, one a line, then "down" at the end.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(char **argv, const sigset_t *mask) {
    const pid_t pid = vfork();
    if (pid == 0) {
        setsid();
        sigprocmask(SIG_SETMASK, mask, NULL);
        execvp(argv[0], argv);
        _exit(127);
    }
    return pid;
}

int main(int argc, char **argv) {
    if (argc < 3) {
        return 2;
    }
    const int count = atoi(argv[1]);
    pid_t *pids = calloc((size_t)count, sizeof *pids);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, &old);
    const int signals = signalfd(-1, &set, SFD_CLOEXEC);
    for (int i = 0; i < count; ++i) {
        pids[i] = start(argv + 2, &old);
    }
    puts("up");
    for (int i = 0; i < count; ++i) {
        printf("%d\n", (int)pids[i]);
    }
    fflush(stdout);
    int stopping = 0;
    int left = count;
    while (left > 0) {
        struct signalfd_siginfo info;
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info) {
            return 1;
        }
        if (info.ssi_signo == SIGTERM) {
            stopping = 1;
            for (int i = 0; i < count; ++i) {
                kill(pids[i], SIGTERM);
            }
        }
        pid_t ended;
        while ((ended = waitpid(-1, NULL, WNOHANG)) > 0) {
            if (stopping) {
                --left;
                continue;
            }
            for (int i = 0; i < count; ++i) {
                if (pids[i] == ended) {
                    pids[i] = start(argv + 2, &old);
                }
            }
        }
    }
    puts("down");
    return 0;
}
