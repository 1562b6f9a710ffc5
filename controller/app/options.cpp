#include "controller/app/options.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "shared/base/flags.h"
#include "shared/os/file.h"

namespace berth::controller {

namespace {

constexpr std::array<std::string_view, 7> kCommands = {"add-user",
                                                       "change-password",
                                                       "reset-password",
                                                       "add-agent",
                                                       "remove-agent",
                                                       "public-key",
                                                       "openapi"};

constexpr std::array kFlags = {
    Flag{"--home", "", "DIR", "where everything is kept, $BERTH_HOME"},
    Flag{"--listen", "", "HOST:PORT", "where the panel listens; port 0 takes a free one"},
    Flag{"--allow-remote", "", "", "another address than loopback is meant"},
    Flag{"--tls", "", "", "serve it over TLS, with a certificate that is made; kept"},
    Flag{"--host", "", "NAME", "a further name that browsers may use; may be repeated"},
    Flag{"--url", "", "URL", "what browsers call it behind a proxy, or none; repeated, kept"},
    Flag{"--trusted-proxy", "", "ADDRESS", "who may say who is behind it, or none; repeated, kept"},
    Flag{"--panel-dir", "", "DIR", "serve the panel from a folder, to work on it"},
    Flag{"--ready-file", "", "FILE", "is made once it listens"},
    Flag{"--quiet", "", "", "do not print the address"},
    Flag{"--role", "", "ROLE", "of add-user: viewer (default), operator or admin"},
    Flag{"--endpoint", "", "tcp://HOST:PORT", "of add-agent: where it listens"},
    Flag{"--key", "", "KEY", "of add-agent: its public key"},
    Flag{"--timeout", "", "SECONDS", "of add-agent: how long to wait for it, 20"},
    Flag{"--no-wait", "", "", "of add-agent: do not"},
    Flag{"--help", "-h", "", "this"},
    // What `berth` says.
    Flag{"--check-files", "", "", ""},
    Flag{"--report-fd", "", "N", ""},
};

Result<void> take_words(Options& options, const std::vector<std::string>& words) {
    if (!words.empty()) {
        const std::string& command = words.front();
        if (std::find(kCommands.begin(), kCommands.end(), command) == kCommands.end()) {
            return fail(ErrorCode::InvalidArgument, "there is no command \"" + command + "\"");
        }
        options.command = command;
    }
    const bool alone = options.command == "public-key" || options.command == "openapi";
    const std::size_t most = options.command.empty() ? 0 : alone ? 1 : 2;
    if (words.size() > most) {
        return fail(ErrorCode::InvalidArgument, "\"" + words[most] + "\" is one word too many");
    }
    if (words.size() < most) {
        return fail(ErrorCode::InvalidArgument, options.command + " needs a NAME");
    }
    options.argument = words.size() == 2 ? words[1] : "";
    return {};
}

std::string home_of(const CommandLine& line) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): no threads yet
    const char* const home = std::getenv("BERTH_HOME");
    return line.get("--home", home == nullptr ? "" : home);
}

}  // namespace

std::string usage() {
    return "usage: berth-controller [OPTIONS]\n"
           "       berth-controller add-user|change-password|reset-password NAME [OPTIONS]\n"
           "       berth-controller add-agent|remove-agent NAME [OPTIONS]\n"
           "       berth-controller public-key [OPTIONS]\n"
           "       berth-controller openapi\n"
           "\n"
           "Serves the panel and the API of the agents in DIR/agents and of those that were "
           "added.\n"
           "add-user and reset-password read the password from their input, one line;\n"
           "change-password the present one and the new one, two lines.\n"
           "openapi prints the description of the API, OpenAPI 3.1, and needs no DIR.\n"
           "\n" +
           flags_help(kFlags);
}

Result<Options> parse_options(const std::vector<std::string>& arguments) {
    Options options;
    BERTH_TRY(const CommandLine line, CommandLine::parse(arguments, kFlags));
    options.help = line.has("--help");
    if (options.help) {
        return options;
    }
    BERTH_CHECK(take_words(options, line.words()));
    if (line.has("--check-files")) {
        options.command = "check-files";
    }
    if (options.command == "openapi") {
        return options;
    }
    options.home = home_of(line);
    if (options.home.empty()) {
        return fail(ErrorCode::InvalidArgument, "give --home DIR, or set BERTH_HOME");
    }
    options.home = os::absolute_path(options.home);
    options.listen = line.get("--listen");
    options.allow_remote = line.has("--allow-remote");
    options.tls = line.has("--tls");
    options.hosts = line.all("--host");
    options.urls = line.all("--url");
    options.trusted_proxies = line.all("--trusted-proxy");
    for (const auto* list : {&options.hosts, &options.urls, &options.trusted_proxies}) {
        if (std::find(list->begin(), list->end(), "") != list->end()) {
            return fail(ErrorCode::InvalidArgument,
                        "--host, --url and --trusted-proxy need a value");
        }
    }
    options.panel_dir = line.get("--panel-dir");
    options.ready_file = line.get("--ready-file");
    options.quiet = line.has("--quiet");
    options.role = line.get("--role", options.role);
    options.endpoint = line.get("--endpoint");
    options.key = line.get("--key");
    options.timeout = line.get("--timeout", "20");
    options.no_wait = line.has("--no-wait");
    BERTH_TRY(options.report_fd, line.number("--report-fd", options.report_fd));
    return options;
}

}  // namespace berth::controller
