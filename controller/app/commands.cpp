#include "controller/app/commands.h"

#include <signal.h>

#include <cstdio>
#include <iostream>

#include "controller/access/auth.h"
#include "controller/access/password_text.h"
#include "controller/app/api_description.h"
#include "controller/app/first_contact.h"
#include "controller/service/agents.h"
#include "controller/service/users.h"
#include "controller/store/sqlite/open.h"
#include "shared/base/key_text.h"
#include "shared/base/text.h"
#include "shared/bus/context.h"
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

// What the use cases of commands need, without a controller that runs.
struct Tools {
    // The pool's threads begin with their first work: none comes.
    explicit Tools(store::Database& database_in, std::unique_ptr<access::Auth> auth_in)
        : database(database_in), auth(std::move(auth_in)) {}

    static Result<std::unique_ptr<Tools>> create(store::Database& database) {
        BERTH_TRY(auto auth,
                  access::Auth::create({database.users(), database.sessions(), database.tokens()}));
        return std::make_unique<Tools>(database, std::move(auth));
    }

    store::Database& database;
    std::unique_ptr<access::Auth> auth;
    loop::WorkerPool workers{loop::WorkerPool::LaneOptions{}};
    service::Runner runner{database.audit(), workers};
    service::Users users{runner, *auth, database.users(), database.audit()};
    service::Caller caller = service::Caller::command_line();
};

// All of stdin that a command may want; what is more than any password is no password.
std::string input() {
    constexpr std::size_t kMost = 4096;
    std::string text(kMost, '\0');
    std::cin.read(text.data(), kMost);
    text.resize(static_cast<std::size_t>(std::cin.gcount()));
    return text;
}

Result<void> add_user(Tools& tools, const Options& options) {
    const auto role = access::kRoleNames.value(options.role);
    if (!role) {
        return fail(ErrorCode::InvalidArgument, "--role is viewer, operator or admin");
    }
    BERTH_TRY(const std::string password, access::password_of_line(input()));
    return tools.users.add(tools.caller, options.argument, password, *role);
}

Result<void> reset_password(Tools& tools, const Options& options) {
    BERTH_TRY(const std::string password, access::password_of_line(input()));
    return tools.users.reset_password(tools.caller, options.argument, password);
}

Result<void> change_password(Tools& tools, const Options& options) {
    const std::string text = input();
    const std::size_t end = text.find('\n');
    if (end == std::string::npos) {
        return fail(ErrorCode::InvalidArgument,
                    "the present password and the new one are read from the input, two lines");
    }
    BERTH_TRY(const std::string present, access::password_of_line(text.substr(0, end)));
    BERTH_TRY(const std::string password, access::password_of_line(text.substr(end + 1)));
    return tools.users.change_password(tools.caller, options.argument, present, password);
}

service::Agents agents_of(Tools& tools, const Paths& paths) {
    return {tools.runner,
            tools.database.agents(),
            {[&paths](const std::string& name) { return os::is_folder(paths.agents + "/" + name); },
             [] {}}};
}

// Of another machine: a local one of this name may be there as well.
Result<void> forget_agent(Tools& tools, const std::string& name) {
    service::Agents agents{
        tools.runner, tools.database.agents(), {[](const std::string&) { return false; }, [] {}}};
    return agents.remove(tools.caller, name);
}

Result<void> add_agent(Tools& tools, const Options& options, const Paths& paths) {
    store::AgentRow agent{options.argument, options.endpoint, options.key};
    BERTH_CHECK(service::check_agent(agent));
    const auto seconds = parse_integer<std::int64_t>(options.timeout);
    if (!seconds || *seconds < 1 || *seconds > 86'400) {
        return fail(ErrorCode::InvalidArgument, "--timeout is a number of seconds");
    }
    // Said again it is no other one: it is waited for.
    BERTH_CHECK(agents_of(tools, paths).add(tools.caller, agent, service::Agents::Again::Fine));
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
    if (options.command == "openapi") {
        BERTH_TRY(const std::string document, api_description());
        (void)std::printf("%s\n", document.c_str());
        return {};
    }
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
        (void)std::printf("%s\n", shown_key(keys.public_key).c_str());
        return {};
    }
    BERTH_TRY(const auto database, store::sqlite::open(paths.database));
    BERTH_TRY(const auto tools, Tools::create(*database));
    if (options.command == "add-user") {
        BERTH_CHECK(add_user(*tools, options));
    } else if (options.command == "reset-password") {
        BERTH_CHECK(reset_password(*tools, options));
    } else if (options.command == "change-password") {
        BERTH_CHECK(change_password(*tools, options));
    } else if (options.command == "add-agent") {
        return add_agent(*tools, options, paths);
    } else {
        BERTH_CHECK(forget_agent(*tools, options.argument));
    }
    tell_running(paths);
    return {};
}

}  // namespace berth::controller
