// An app for the chaos test: proves by a lock that it is alone, journals its begin and its end, and
// ends after a short random time with a random exit status.
//   chaos_app JOURNAL LOCK MAX_MS
// Journal lines: "S GENERATION PID", "E GENERATION STATUS" (minus the signal number for a death by
// signal), "D GENERATION PID" when another copy holds the lock.

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>

namespace {

int journal = -1;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void note(char what, const char* generation, int value) {
    std::array<char, 128> line{};
    const int size = std::snprintf(line.data(), line.size(), "%c %s %d\n", what, generation, value);
    if (::write(journal, line.data(), static_cast<std::size_t>(size)) != size) {
        ::abort();  // a journal that cannot be trusted proves nothing
    }
}

}  // namespace

int main(int argc, char** argv) {
    const char* const run = std::getenv("BERTH_RUN");
    if (argc != 4 || run == nullptr || std::strrchr(run, '/') == nullptr) {
        return 99;
    }
    const char* const generation = std::strrchr(run, '/') + 1;
    journal = ::open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    const int lock = ::open(argv[2], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (journal < 0 || lock < 0) {
        return 98;
    }
    if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
        note('D', generation, ::getpid());
        return 97;
    }
    note('S', generation, ::getpid());
    std::mt19937_64 random(static_cast<std::uint64_t>(::getpid()) * 2654435761U +
                           static_cast<std::uint64_t>(std::atoll(generation)));
    const long ms = static_cast<long>(random() % static_cast<std::uint64_t>(std::atol(argv[3])));
    const timespec nap{ms / 1000, ms % 1000 * 1'000'000};
    (void)::nanosleep(&nap, nullptr);
    const int status = static_cast<int>(random() % 96);
    if (status >= 90) {
        note('E', generation, -SIGKILL);
        (void)::kill(::getpid(), SIGKILL);
    }
    note('E', generation, status);
    return status;
}
