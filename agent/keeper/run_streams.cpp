#include "agent/keeper/run_streams.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

using loop::Interest;

namespace {

constexpr std::size_t kMaxPendingInput = 1U << 20U;
// After it, whether the log is still in its place is asked once more; a writer itself asks each 10
// ms.
constexpr Duration kLookAfterOutput = std::chrono::milliseconds(20);

// Mostly it is there, from the run before.
Result<os::UniqueFd> open_fifo(const std::string& path, bool make) {
    auto fd = os::open_file(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
    if (!fd && fd.error().code == ErrorCode::NotFound && make) {
        if (::mkfifo(path.c_str(), 0600) != 0) {
            return fail(os::last_error("make FIFO " + path));
        }
        fd = os::open_file(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW);
    }

    struct stat info {};

    if (fd && (::fstat(fd->get(), &info) != 0 || !S_ISFIFO(info.st_mode))) {
        return fail(ErrorCode::AlreadyExists, path + " is no FIFO");
    }
    return fd;
}

// The FIFO `path` that a process has open at a descriptor, when that name is gone.
Result<os::UniqueFd> open_at(pid_t pid, int number, const std::string& path) {
    const std::string link = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(number);
    std::array<char, PATH_MAX> target{};
    const ssize_t size = ::readlink(link.c_str(), target.data(), target.size());
    const std::string_view name = std::string_view(path).substr(path.rfind("/io/"));
    // "…/run/io/web.out (deleted)": under a link or an earlier path, but that app's own.
    if (size < 0 || std::string_view(target.data(), static_cast<std::size_t>(size)).find(name) ==
                        std::string_view::npos) {
        return fail(ErrorCode::NotFound, path + " was removed");
    }
    BERTH_TRY(os::UniqueFd fd, os::open_file(link, O_RDWR | O_NONBLOCK));

    struct stat info {};

    if (::fstat(fd.get(), &info) != 0 || !S_ISFIFO(info.st_mode)) {
        return fail(ErrorCode::NotFound, path + " was removed");
    }
    return fd;
}

}  // namespace

Result<void> RunStreams::open() {
    BERTH_CHECK(open_log());
    return record_.tty != 0 ? open_terminal() : open_fifos(/*make=*/true);
}

// A terminal has gone with the keeper that had it.
Result<void> RunStreams::reopen() {
    auto logging = open_log();
    auto opened = record_.tty != 0 ? Result<void>() : open_fifos(/*make=*/false);
    if (logging && opened && record_.tty == 0) {
        watch();
    }
    return logging ? opened : logging;
}

void RunStreams::resume(const RunHandover& from) {
    if (auto logging = open_log(); !logging) {
        log::warning("cannot write the log of an app",
                     {{"app", record_.id}, {"error", logging.error().message}});
    } else {
        log_->inherit_loss(from.loss);
    }
    input_ = os::UniqueFd(from.input);
    if (from.output >= 0) {
        output_ = make_pump(os::UniqueFd(from.output), Stream::Stdout);
        error_ = from.error < 0 ? nullptr : make_pump(os::UniqueFd(from.error), Stream::Stderr);
        watch();
    }
    pending_input_ = from.pending_input;
    if (!pending_input_.empty()) {
        flush_input();
    }
}

void RunStreams::hand_over(RunHandover& to) const {
    to.output = output_ ? output_->fd().get() : -1;
    to.error = error_ ? error_->fd().get() : -1;
    to.input = input_.get();
    to.pending_input = pending_input_;
    if (log_) {
        to.loss = log_->loss();
    }
}

SpawnPaths RunStreams::paths() const {
    return {terminal_path_, fifo(".in"), fifo(".out"), fifo(".err")};
}

std::string RunStreams::fifo(const char* which) const {
    return context_.io_folder + "/" + record_.id + which;
}

Result<void> RunStreams::open_fifos(bool make) {
    os::UniqueFd output;
    os::UniqueFd error;

    struct Part {
        const char* suffix;
        int number;
        os::UniqueFd& fd;
    };

    for (const Part& part :
         {Part{".in", 0, input_}, Part{".out", 1, output}, Part{".err", 2, error}}) {
        const std::string path = fifo(part.suffix);
        auto opened = open_fifo(path, make);
        if (!opened && !make && opened.error().code == ErrorCode::NotFound) {
            opened = open_at(record_.pid, part.number, path);
        }
        BERTH_TRY(part.fd, std::move(opened));
    }
    output_ = make_pump(std::move(output), Stream::Stdout);
    error_ = make_pump(std::move(error), Stream::Stderr);
    return {};
}

std::unique_ptr<StreamPump> RunStreams::make_pump(os::UniqueFd fd, Stream stream) {
    return std::make_unique<StreamPump>(
        context_.loop,
        context_.buffer,
        std::move(fd),
        record_.tty != 0 ? StreamPump::Kind::Terminal : StreamPump::Kind::Fifo,
        [this, stream](std::string_view bytes) { log_output(stream, bytes); });
}

Result<void> RunStreams::open_terminal() {
    os::UniqueFd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK));
    std::array<char, 128> name{};
    if (!master.valid() || ::grantpt(master.get()) != 0 || ::unlockpt(master.get()) != 0 ||
        ::ptsname_r(master.get(), name.data(), name.size()) != 0) {
        return fail(os::last_error("open a terminal"));
    }

    struct winsize size {};

    size.ws_row = 24;
    size.ws_col = 80;
    (void)::ioctl(master.get(), TIOCSWINSZ, &size);  // a terminal of unknown size works too
    terminal_path_ = name.data();
    output_ = make_pump(std::move(master), Stream::Stdout);
    return {};
}

void RunStreams::watch() {
    output_->watch();
    if (error_) {
        error_->watch();
    }
}

void RunStreams::close() {
    drain();
    input_watch_.reset();
    output_.reset();
    error_.reset();
    input_.reset();
    pending_input_.clear();
    close_log();
}

void RunStreams::drain() {
    for (StreamPump* const pump : {output_.get(), error_.get()}) {
        if (pump != nullptr) {
            pump->drain();
        }
    }
}

Result<void> RunStreams::open_log() {
    LogTarget target;
    target.folder = context_.logs_folder + "/" + record_.id;
    target.max_size_bytes = record_.log_max_size;
    target.keep = record_.log_keep;
    target.max_total_bytes = record_.log_max_total;
    if (target.max_total_bytes > 0) {
        target.max_size_bytes = std::min(target.max_size_bytes, target.max_total_bytes);
    }
    BERTH_TRY(LogWriter writer, LogWriter::open(target, &context_.log_scratch));
    log_.emplace(std::move(writer));
    if (const auto lost = context_.losses.find(record_.id); lost != context_.losses.end()) {
        log_->inherit_loss(lost->second);
        context_.losses.erase(lost);
    }
    return {};
}

void RunStreams::log_output(Stream stream, std::string_view bytes) {
    if (!log_) {
        return;
    }
    log_->append(stream, bytes, context_.loop.now().wall);
    tell_of_log();
    if (log_->is_unsure() && !log_look_.active()) {
        log_look_ = context_.loop.after(kLookAfterOutput, [this] {
            log_look_.reset();
            look_after_log();
        });
    }
}

void RunStreams::look_after_log() {
    if (log_ && log_->is_unsure()) {
        log_->look_after_file(context_.loop.now().wall);
        tell_of_log();
    }
}

void RunStreams::tell_of_log() {
    if (log_->take_rotated()) {
        context_.tell(keeperlink::LogRotated{name()});
    }
    if (const std::string trouble = log_->take_trouble(); !trouble.empty()) {
        context_.tell(keeperlink::LogTaken{name(), trouble});
    }
}

void RunStreams::close_log() {
    if (!log_) {
        return;
    }
    log_look_.reset();
    look_after_log();
    log_->report_loss(context_.loop.now().wall);
    if (log_->loss().bytes > 0) {
        context_.losses[record_.id] = log_->loss();
    }
    log_.reset();
}

// Where the app's input goes: its FIFO, or the terminal; -1: nowhere.
int RunStreams::input_fd() const {
    if (record_.tty == 0) {
        return input_.get();
    }
    return output_ ? output_->fd().get() : -1;
}

keeperlink::InputTaken RunStreams::input(const keeperlink::Input& input) {
    keeperlink::InputTaken answer{
        input.run, input.token, 0, keeperlink::InputEnd::None, "it takes no input"};
    if (input_fd() < 0) {
        return answer;
    }
    flush_input();
    const std::size_t room = kMaxPendingInput - std::min(kMaxPendingInput, pending_input_.size());
    const std::string_view taken = std::string_view(input.bytes).substr(0, room);
    pending_input_ += taken;
    flush_input();
    answer.taken = taken.size();
    answer.end = keeperlink::InputEnd::Taken;
    answer.why.clear();
    if (taken.size() < input.bytes.size()) {
        answer.end = keeperlink::InputEnd::Full;
        answer.why =
            "it does not read its input, " + std::to_string(pending_input_.size()) + " bytes wait";
        input_refused_ = true;
    }
    return answer;
}

void RunStreams::flush_input() {
    while (!pending_input_.empty()) {
        const os::IoOutcome outcome = os::write_some(input_fd(), pending_input_);
        if (outcome.status != os::IoStatus::Done) {
            break;
        }
        pending_input_.erase(0, outcome.bytes);
    }
    if (pending_input_.empty()) {
        input_watch_.reset();
        input_dup_.reset();
        if (std::exchange(input_refused_, false)) {
            context_.tell(keeperlink::InputRoom{name()});
        }
    } else if (!input_watch_.active()) {
        // A duplicate: the terminal's master is in the epoll set already, for reading.
        input_dup_ = os::UniqueFd(::fcntl(input_fd(), F_DUPFD_CLOEXEC, 0));
        if (input_dup_.valid()) {
            input_watch_ = context_.loop.watch(
                input_dup_.get(), Interest::Write, [this](bool, bool) { flush_input(); });
        }
    }
}

void RunStreams::resize(std::uint32_t rows, std::uint32_t columns) const {
    if (record_.tty == 0 || !output_) {
        return;
    }

    struct winsize size {};

    size.ws_row = static_cast<unsigned short>(rows);
    size.ws_col = static_cast<unsigned short>(columns);
    (void)::ioctl(input_fd(), TIOCSWINSZ, &size);  // the app keeps its old size then
}

}  // namespace berth::keeper
