#include <unistd.h>

#include <cstdlib>

#include "agent/cli/commands.h"
#include "shared/base/text.h"
#include "shared/os/file.h"

// `berth service install`: what makes systemd start a home at boot.

namespace berth::cli {

namespace {

// A word of a command line in a unit, see systemd.service(5) and systemd.syntax(7).
std::string unit_word(const std::string& word) {
    std::string quoted = "\"";
    for (const char c : word) {
        if (c == '"' || c == '\\') {
            quoted += '\\';
        } else if (c == '%' || c == '$') {
            quoted += c;  // twice is once
        }
        quoted += c;
    }
    return quoted + '"';
}

std::string unit_text(const Session& session, const std::string& program, bool system) {
    const std::string home = " --home " + unit_word(session.home);
    const std::string listen = session.arguments.get("--listen");
    std::string up = unit_word(program) + " up" + home;
    up += listen.empty() ? "" : " --listen " + unit_word(listen);
    up += session.arguments.has("--allow-remote") ? " --allow-remote" : "";
    return "# Written by `berth service install`.\n"
           "[Unit]\n"
           "Description=Berth, " +
           session.home +
           "\n"
           "Documentation=man:berth(1)\n"
           "After=network.target\n"
           "\n"
           "[Service]\n"
           "Type=exec\n"
           "ExecStart=" +
           up +
           "\n"
           "ExecStop=" +
           unit_word(program) + " down" + home +
           "\n"
           "# Apps are ended in order by `down`, and go on when one of Berth's own programs is "
           "killed.\n"
           "KillMode=process\n"
           "Restart=on-failure\n"
           "OOMPolicy=continue\n"
           "TimeoutStopSec=5min\n"
           "# Limits of apps are held by control groups of this unit.\n"
           "Delegate=yes\n"
           "LimitNOFILE=65536\n"
           "\n"
           "[Install]\n"
           "WantedBy=" +
           std::string(system ? "multi-user.target" : "default.target") + "\n";
}

std::string unit_folder(bool system) {
    if (system) {
        return "/etc/systemd/system";
    }
    const auto variable = [](const char* name) {
        const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
        return std::string(value != nullptr ? value : "");
    };
    const std::string config = variable("XDG_CONFIG_HOME");
    return (config.empty() ? variable("HOME") + "/.config" : config) + "/systemd/user";
}

}  // namespace

int run_service_install(Session& session) {
    const bool system = ::geteuid() == 0 && !session.arguments.has("--user");
    const std::string name = session.arguments.get("--name", "berth");
    if (!is_valid_id(name)) {
        return report({ErrorCode::InvalidArgument,
                       "\"" + name + "\" cannot name a unit: " + std::string(kIdRule),
                       0});
    }
    if (session.home.find('\n') != std::string::npos) {
        return report({ErrorCode::InvalidArgument, "a home with a line break has no unit", 0});
    }
    const auto program = os::sibling_executable("berth");
    if (!program) {
        return report(program.error());
    }
    const std::string text = unit_text(session, *program, system);
    if (session.arguments.has("--print")) {
        print(text);
        return kDone;
    }
    const std::string folder = session.arguments.get("--folder", unit_folder(system));
    const std::string file = folder + "/" + name + ".service";
    auto written = os::make_folders(folder);
    if (written) {
        written = os::replace_file(file, text, 0644);
    }
    if (!written) {
        return report(written.error());
    }
    const std::string control = system ? "systemctl" : "systemctl --user";
    print("written: " + file + "\n");
    print("now: " + control + " daemon-reload && " + control + " enable --now " + name + "\n");
    if (!system) {
        print("and, for it to run while you are logged out: loginctl enable-linger\n");
    }
    return kDone;
}

}  // namespace berth::cli
