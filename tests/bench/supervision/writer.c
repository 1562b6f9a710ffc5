/* Writes BYTES bytes of 100-byte lines to stdout: a line a write, or WRITE_SIZE bytes a write.
 *   writer BYTES WRITE_SIZE
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kLine = 100 };

int main(int argc, char **argv) {
    if (argc < 3) {
        return 2;
    }
    long long left = atoll(argv[1]);
    const size_t size = (size_t)atoll(argv[2]) / kLine * kLine;
    char *block = malloc(size);
    if (block == NULL || size == 0) {
        return 2;
    }
    memset(block, 'x', size);
    for (size_t at = kLine - 1; at < size; at += kLine) {
        block[at] = '\n';
    }
    while (left > 0) {
        const ssize_t put = write(1, block, size);
        if (put <= 0) {
            return 1;
        }
        left -= put;
    }
    return 0;
}
