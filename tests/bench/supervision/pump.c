/* The plain pump to compare with: starts a child on a default pipe, reads up to 64 KiB at a time,
 * puts a stamp before each line and writes to a file that it begins anew every 10 MiB, as a log
 * that is rotated would be.
 *   pump FILE COMMAND...
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { kRead = 64 << 10, kPrefix = 40, kMaxFile = 10 << 20 };

static size_t stamp(char *out) {
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    const size_t done = strftime(out, 64, "%Y-%m-%dT%H:%M:%S", &parts);
    return done + (size_t)sprintf(out + done, ".%09ldZ stdout F ", now.tv_nsec);
}

static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        const ssize_t put = write(fd, bytes, size);
        if (put < 0) {
            return -1;
        }
        bytes += put;
        size -= (size_t)put;
    }
    return 0;
}

int main(int argc, char **argv) {
    int fds[2];
    if (argc < 3 || pipe2(fds, O_CLOEXEC) != 0) {
        return 2;
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(fds[1], 1);
        execv(argv[2], argv + 2);
        _exit(127);
    }
    close(fds[1]);
    char *in = malloc(kRead);
    char *out = malloc((size_t)kRead * (kPrefix + 2));
    int log = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    size_t size = 0;
    int inside = 0;
    ssize_t got;
    while ((got = read(fds[0], in, kRead)) > 0) {
        char prefix[128];
        const size_t length = stamp(prefix);
        size_t used = 0;
        for (ssize_t at = 0; at < got;) {
            const char *newline = memchr(in + at, '\n', (size_t)(got - at));
            const size_t piece = newline ? (size_t)(newline - in - at) + 1 : (size_t)(got - at);
            if (!inside) {
                memcpy(out + used, prefix, length);
                used += length;
            }
            memcpy(out + used, in + at, piece);
            used += piece;
            at += (ssize_t)piece;
            inside = newline == NULL;
        }
        if (size > 0 && size + used > kMaxFile) {
            close(log);
            log = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC, 0600);
            size = 0;
        }
        if (write_all(log, out, used) != 0) {
            return 1;
        }
        size += used;
    }
    int status;
    waitpid(child, &status, 0);
    return 0;
}
