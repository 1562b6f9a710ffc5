#include <pwd.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <string>
#include <vector>

#include "agent/cli/commands.h"
#include "agent/cli/completion.h"
#include "agent/cli/terminal.h"
#include "shared/os/file.h"

namespace {

using namespace std::string_view_literals;
namespace cli = berth::cli;

std::string user_name() {
    const passwd* const entry =
        ::getpwuid(::geteuid());  // NOLINT(concurrency-mt-unsafe): one thread
    return entry != nullptr ? entry->pw_name : std::to_string(::geteuid());
}

int run_berth(std::vector<std::string> words) {
    const bool completes = !words.empty() && words.front() == cli::kComplete;
    std::vector<std::string> to_complete;
    if (completes) {
        to_complete.assign(words.begin() + 1, words.end());
        words = cli::options_before(to_complete);
    }
    auto arguments = cli::parse_arguments(words);
    if (!arguments && completes) {
        return cli::kDone;  // nothing completes what is wrong
    }
    if (!arguments) {
        cli::print_error(arguments.error().message);
        return cli::kUsage;
    }
    auto loop = berth::loop::EventLoop::create();
    if (!loop) {
        return cli::report(loop.error());
    }
    cli::Session session;
    session.loop = std::move(*loop);
    session.arguments = std::move(*arguments);
    const cli::Arguments& given = session.arguments;
    session.home =
        given.has("--home") ? berth::os::absolute_path(given.get("--home")) : cli::default_home();
    session.agent = given.get("--agent", "default");
    session.actor = user_name() + " on the command line";
    session.style.json = given.has("--json");
    const bool no_color =
        std::getenv("NO_COLOR") != nullptr;  // NOLINT(concurrency-mt-unsafe): one thread
    session.style.color = !no_color && !given.has("--no-color") && ::isatty(STDOUT_FILENO) != 0;
    session.style.width = cli::output_width();
    if (completes) {
        return cli::complete(session, to_complete);
    }
    if (given.has("--version")) {
        session.arguments.command = berth::command::find("version");
        return cli::find_run("version")(session);
    }
    if (given.command == nullptr && !given.has("--help")) {
        (void)cli::run_help(session);
        return words.empty() ? cli::kUsage : cli::kDone;
    }
    if (given.has("--help")) {
        session.arguments.words = {given.command != nullptr ? std::string(given.command->name)
                                                            : std::string()};
        return cli::run_help(session);
    }
    const std::string_view name = given.command->name;
    if (given.has("--follow") || name == "top"sv || name == "connect"sv || name == "poll"sv) {
        session.end_with_reader();
    }
    const cli::Run run = cli::find_run(name);
    return run != nullptr ? run(session) : cli::kUsage;
}

// What could not be written is not done, whatever else was.
int finished(int code) {
    const auto written = cli::finish_output();
    if (!written) {
        cli::print_error(written.error().message);
        return code == cli::kDone ? cli::kFailed : code;
    }
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    // How wide characters are; each environment has this one.
    (void)std::setlocale(LC_CTYPE, "C.UTF-8");  // NOLINT(concurrency-mt-unsafe): one thread
    const std::vector<std::string> words(argv + 1, argv + argc);
    const std::string_view called = argv[0];
    const std::string_view name = called.substr(called.rfind('/') + 1);
    return finished(name == "spmi"sv ? cli::run_spmi(words) : run_berth(words));
}
