// Prints "line N" for N = 1, 2, 3 … at about RATE lines a second, on stdout and every tenth on
// stderr too, until it gets SIGTERM; then it prints "last N" and ends.
//   line_app RATE

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace {

volatile sig_atomic_t stop = 0;  // NOLINT(cppcoreguidelines-avoid-non-const-global-variables)

void write_all(int fd, const std::string& text) {
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t put = ::write(fd, text.data() + done, text.size() - done);
        if (put < 0) {
            ::_exit(96);
        }
        done += static_cast<std::size_t>(put);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const long rate = argc > 1 ? std::atol(argv[1]) : 1000;

    struct sigaction action {};

    action.sa_handler = [](int) { stop = 1; };
    action.sa_flags = SA_RESTART;
    (void)::sigaction(SIGTERM, &action, nullptr);
    const long burst = rate > 1000 ? rate / 1000 : 1;
    long number = 0;
    while (stop == 0) {
        std::string out;
        std::string error;
        for (long i = 0; i < burst; ++i) {
            ++number;
            out += "line " + std::to_string(number) + "\n";
            if (number % 10 == 0) {
                error += "line " + std::to_string(number) + "\n";
            }
        }
        write_all(STDOUT_FILENO, out);
        write_all(STDERR_FILENO, error);
        const timespec nap{0, 1'000'000'000L / (rate / burst)};
        (void)::nanosleep(&nap, nullptr);
    }
    write_all(STDOUT_FILENO, "last " + std::to_string(number) + "\n");
    return 0;
}
