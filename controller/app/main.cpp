#include <cstdio>
#include <string>
#include <vector>

#include "controller/app/commands.h"
#include "controller/app/controller.h"
#include "controller/app/options.h"
#include "shared/os/start_report.h"

namespace {

int failure(const berth::Error& error) {
    (void)std::fprintf(stderr, "berth-controller: %s\n", error.message.c_str());
    return 1;
}

int serve(const berth::controller::Options& options) {
    const auto controller = berth::controller::Controller::create(options);
    if (!controller) {
        berth::os::report_failed(options.report_fd, controller.error().message);
        return failure(controller.error());
    }
    berth::os::report_started(options.report_fd);
    if (!options.quiet) {
        const std::string url = (*controller)->public_url();
        const std::string& address = (*controller)->url();
        (void)std::printf("panel: %s\n",
                          (url.empty() ? address : url + " through " + address).c_str());
        if (const std::string print = (*controller)->fingerprint(); !print.empty()) {
            (void)std::printf("its certificate (SHA-256): %s\n", print.c_str());
        }
        if (!(*controller)->setup_link().empty()) {
            (void)std::printf("setup: %s\n", (*controller)->setup_link().c_str());
        }
    }
    (void)std::fflush(stdout);
    (*controller)->run();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::string(argv[1]) == "--version") {
        (void)std::puts("berth-controller " BERTH_VERSION);
        return 0;
    }
    const auto options =
        berth::controller::parse_options(std::vector<std::string>(argv + 1, argv + argc));
    if (!options) {
        (void)std::fprintf(stderr,
                           "berth-controller: %s\n%s",
                           options.error().message.c_str(),
                           berth::controller::usage().c_str());
        return 2;
    }
    if (options->help) {
        (void)std::fputs(berth::controller::usage().c_str(), stdout);
        return 0;
    }
    if (options->command.empty()) {
        return serve(*options);
    }
    const auto done = berth::controller::run_command(*options);
    if (!done) {
        (void)failure(done.error());
        const bool away = done.error().code == berth::ErrorCode::Unavailable;
        return away ? 4 : 1;  // as of the command `berth`
    }
    return 0;
}
