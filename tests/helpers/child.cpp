// An app for the tests: its first argument names what it does. Journals go to files that are
// appended to, so that a test can count what really happened. Started as `berth-agent` it plays an
// agent: journals its start beside itself and waits until its link closes.

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <string>
#include <vector>

namespace {

void write_all(int fd, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t put = ::write(fd, text.data() + done, text.size() - done);
        if (put <= 0) {
            ::_exit(3);
        }
        done += static_cast<std::size_t>(put);
    }
}

void journal(const std::string& file, const std::string& line) {
    const int fd = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) {
        ::_exit(4);
    }
    write_all(fd, line + "\n");
    (void)::close(fd);
}

[[noreturn]] void wait_forever() {
    for (;;) {
        (void)::pause();
    }
}

// One process of a tree: says who it is and waits.
[[noreturn]] void member(const std::string& file, const std::string& name, bool ignore_term) {
    if (ignore_term) {
        (void)::signal(SIGTERM, SIG_IGN);
    }
    journal(file, name + " " + std::to_string(::getpid()));
    if (name == "stopped") {
        (void)::raise(SIGSTOP);
    }
    wait_forever();
}

// Leader, child, a grandchild in a session of its own, a daemon and a stopped one; `stubborn`: the
// child and the daemon ignore SIGTERM.
int tree(const std::string& file, bool stubborn) {
    if (::fork() == 0) {
        if (::fork() == 0) {
            (void)::setsid();
            member(file, "grandchild", false);
        }
        member(file, "child", stubborn);
    }
    const pid_t middle = ::fork();
    if (middle == 0) {
        (void)::setsid();
        if (::fork() == 0) {
            member(file, "daemon", stubborn);
        }
        ::_exit(0);
    }
    if (::fork() == 0) {
        member(file, "stopped", false);
    }
    member(file, "leader", false);
}

// Copies lines from stdin to stdout, each to the journal too. The line "exit" ends it.
int echo(const char* file) {
    std::string line;
    char byte = 0;
    while (::read(0, &byte, 1) == 1) {
        line += byte;
        if (byte != '\n') {
            continue;
        }
        write_all(1, line);
        line.pop_back();
        if (file != nullptr) {
            journal(file, line);
        }
        if (line == "exit") {
            return 0;
        }
        line.clear();
    }
    return 0;
}

int numbered(int count, const std::string& ending) {
    std::string block;
    for (int i = 0; i < count; ++i) {
        block += "line " + std::to_string(i) + "\n";
        if (block.size() > 3000) {  // not a multiple of anything
            write_all(1, block);
            block.clear();
        }
    }
    write_all(1, block + ending);
    return 0;
}

int play_agent(int argc, char** argv) {
    std::string words;
    std::string home;
    for (int i = 1; i < argc; ++i) {
        words += (i == 1 ? "" : " ") + std::string(argv[i]);
        if (i + 1 < argc && strcmp(argv[i], "--home") == 0) {
            home = argv[i + 1];
        }
    }
    journal(home + "/agents", std::to_string(::getpid()) + " " + words);
    char buffer[4096];
    while (::read(3, buffer, sizeof buffer) > 0) {
    }
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string self = argv[0];
    if (self.size() > 12 && self.substr(self.size() - 12) == "/berth-agent") {
        return play_agent(argc, argv);
    }
    const std::string what = argc > 1 ? argv[1] : "";
    const std::string value = argc > 2 ? argv[2] : "";
    if (what == "exit") {
        return atoi(value.c_str());
    }
    if (what == "signal") {
        struct rlimit none {};

        (void)::setrlimit(RLIMIT_CORE, &none);
        const int number = atoi(value.c_str());
        (void)::signal(number, SIG_DFL);
        (void)::raise(number);
        return 99;
    }
    if (what == "journal") {  // says that it was started, then waits
        journal(value, std::to_string(::getpid()));
        wait_forever();
    }
    if (what == "journal-exit") {
        journal(value, std::to_string(::getpid()));
        return 0;
    }
    if (what == "wait") {
        wait_forever();
    }
    if (what == "tree" || what == "stubborn-tree") {
        return tree(value, what == "stubborn-tree");
    }
    if (what == "leave-child") {  // the leader ends, its child stays
        if (::fork() == 0) {
            member(value, "child", argc > 3);
        }
        return 7;
    }
    if (what == "echo") {
        return echo(argc > 2 ? argv[2] : nullptr);
    }
    if (what == "lines") {
        return numbered(atoi(value.c_str()), argc > 3 ? argv[3] : "");
    }
    if (what == "raw") {
        write_all(1, std::string("a\0b\xFF\xFE\n\n", 7));
        write_all(2, "error\r\n");
        write_all(1, "no newline");
        return 0;
    }
    if (what == "terminal") {
        write_all(
            1,
            ::isatty(0) != 0 && ::isatty(1) != 0 && ::isatty(2) != 0 ? "a terminal\n" : "none\n");
        return 0;
    }
    if (what == "facts") {
        sigset_t mask;
        (void)::sigprocmask(SIG_BLOCK, nullptr, &mask);

        struct sigaction pipe {};

        (void)::sigaction(SIGPIPE, nullptr, &pipe);
        int open_fds = 0;
        for (int fd = 0; fd < 256; ++fd) {
            open_fds += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
        }
        const char* const marker = ::getenv("BERTH_RUN");
        write_all(1,
                  "fds " + std::to_string(open_fds) + " session " +
                      std::to_string(::getsid(0) == ::getpid()) + " blocked " +
                      std::to_string(sigismember(&mask, SIGCHLD)) + " sigpipe " +
                      std::to_string(pipe.sa_handler == SIG_DFL) + " marker " +
                      std::to_string(marker != nullptr) + "\n");
        return 0;
    }
    return 98;
}
