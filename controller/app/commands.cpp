#include "controller/app/commands.h"

#include <signal.h>

#include <cstdio>
#include <iostream>

#include "controller/access/auth.h"
#include "controller/access/password_text.h"
#include "controller/app/first_contact.h"
#include "controller/face/rest/services.h"
#include "controller/store/store.h"
#include "shared/base/text.h"
#include "shared/bus/context.h"
#include "shared/bus/key_text.h"
#include "shared/db/database.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"
#include "shared/os/start_report.h"

namespace berth::controller {

namespace {

// A controller that runs holds the lock; only then the pid is that of one.
void tell_running(const Paths& paths) {
    if (!os::is_locked(paths.lock())) {
        return;
    }
    const auto text = os::read_file(paths.pid());
    const auto pid = text ? parse_integer<pid_t>(trim(*text)) : std::nullopt;
    if (pid && *pid > 1) {
        (void)os::send_signal_to(
            *pid, SIGHUP);  // it has ended meanwhile: it reads the files at its start
    }
}

void write_audit(store::Store& store, const std::string& verb, const std::string& target) {
    store::AuditRow row;
    row.time = read_clocks().wall;
    row.actor = "command line";
    row.address = "local";
    row.verb = verb;
    row.target = target;
    row.result = "done";
    if (const auto done = store.add_audit(row); !done) {
        (void)std::fprintf(stderr, "berth-controller: %s\n", done.error().message.c_str());
    }
}

// All of stdin that a command may want; what is more than any password is no password.
std::string input() {
    constexpr std::size_t kMost = 4096;
    std::string text(kMost, '\0');
    std::cin.read(text.data(), kMost);
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    return text;
}

Result<void> add_user(store::Store& store, const Options& options) {
    const auto role = access::kRoleNames.value(options.role);
    if (!role) {
        return fail(ErrorCode::InvalidArgument, "--role is viewer, operator or admin");
    }
    BERTH_TRY(const std::string password, access::password_of_line(input()));
    BERTH_TRY(const auto auth, access::Auth::create(store));
    BERTH_CHECK(auth->add_user(options.argument, password, *role));
    write_audit(store, "add user as " + options.role, options.argument);
    return {};
}

Result<void> reset_password(store::Store& store, const Options& options) {
    BERTH_TRY(const std::string password, access::password_of_line(input()));
    BERTH_TRY(const auto auth, access::Auth::create(store));
    BERTH_CHECK(auth->change_user(options.argument, std::nullopt, password));
    write_audit(store, "reset password", options.argument);
    return {};
}

Result<void> change_password(store::Store& store, const Options& options) {
    const std::string text = input();
    const std::size_t end = text.find('\n');
    if (end == std::string::npos) {
        return fail(ErrorCode::InvalidArgument,
                    "the present password and the new one are read from the input, two lines");
    }
    BERTH_TRY(const std::string present, access::password_of_line(text.substr(0, end)));
    BERTH_TRY(const std::string password, access::password_of_line(text.substr(end + 1)));
    BERTH_TRY(const auto auth, access::Auth::create(store));
    BERTH_CHECK(auth->change_password(options.argument, present, password));
    write_audit(store, "change own password", options.argument);
    return {};
}

Result<void> add_agent(store::Store& store, const Options& options, const Paths& paths) {
    store::AgentRow agent{options.argument, options.endpoint, options.key};
    BERTH_CHECK(rest::check_agent(agent));
    const auto seconds = parse_integer<std::int64_t>(options.timeout);
    if (!seconds || *seconds < 1 || *seconds > 86'400) {
        return fail(ErrorCode::InvalidArgument, "--timeout is a number of seconds");
    }
    BERTH_TRY(auto others, store.agents());
    // Said again it is no other one: it is waited for.
    const auto erased = std::erase_if(others, [&agent](const store::AgentRow& other) {
        return other.name == agent.name && other.endpoint == agent.endpoint &&
               other.public_key == agent.public_key;
    });
    BERTH_CHECK(
        rest::check_new_agent(agent, os::is_folder(paths.agents + "/" + agent.name), others));
    if (erased == 0) {
        BERTH_CHECK(store.add_agent(agent));
        write_audit(store, "add agent", agent.name);
    }
    tell_running(paths);
    if (options.no_wait) {
        return {};
    }
    BERTH_TRY(const auto keys, bus::load_or_make_keys(paths.keys, "controller"));
    BERTH_CHECK(wait_for_contact({agent.name, agent.endpoint, agent.public_key, false},
                                 keys,
                                 std::chrono::seconds(*seconds)));
    if (!os::is_locked(paths.lock())) {
        (void)std::fprintf(stderr,
                           "berth-controller: no controller runs here now; berth up starts it\n");
    }
    return {};
}

}  // namespace

Result<void> run_command(const Options& options) {
    const Paths paths(options.home);
    if (options.command == "check-files") {
        std::string lines;
        for (const auto& found :
             {db::Database::check(paths.database), bus::check_keys(paths.keys, "controller")}) {
            lines += found ? "" : found.error().message + "\n";
        }
        if (!lines.empty()) {
            os::report_failed(options.report_fd, lines);
        }
        return {};
    }
    BERTH_CHECK(os::make_folders(paths.root));
    if (options.command == "public-key") {
        BERTH_TRY(const auto keys, bus::load_or_make_keys(paths.keys, "controller"));
        (void)std::printf("%s\n", bus::shown_key(keys.public_key).c_str());
        return {};
    }
    BERTH_TRY(const auto store, store::Store::open(paths.database));
    if (options.command == "add-user") {
        BERTH_CHECK(add_user(*store, options));
    } else if (options.command == "reset-password") {
        BERTH_CHECK(reset_password(*store, options));
    } else if (options.command == "change-password") {
        BERTH_CHECK(change_password(*store, options));
    } else if (options.command == "add-agent") {
        return add_agent(*store, options, paths);
    } else {
        BERTH_CHECK(store->remove_agent(options.argument));
        write_audit(*store, "remove agent", options.argument);
    }
    tell_running(paths);
    return {};
}

}  // namespace berth::controller
