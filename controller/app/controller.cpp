#include "controller/app/controller.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>

#include "controller/access/secrets.h"
#include "controller/app/site_config.h"
#include "controller/face/answers.h"
#include "controller/face/fleet_json.h"
#include "controller/face/log_json.h"
#include "controller/store/sqlite/open.h"
#include "shared/home/identity.h"
#include "shared/log/log.h"
#include "shared/os/fd.h"
#include "shared/os/file.h"
#include "shared/os/process.h"

namespace berth::controller {

namespace {

constexpr std::size_t kWorkers = 2;
constexpr Duration kLookAtTls = std::chrono::seconds(5);  // whether its files have changed
constexpr std::size_t kMaxWaiting = 256;                  // requests
constexpr std::uint64_t kSpareDescriptors = 256;          // for agents, the database, panels
constexpr std::size_t kCookieId = 8;  // hex digits: enough for the panels of one host

}  // namespace

Controller::Controller(const Options& options) : options_(options), paths_(options.home) {}

Result<std::unique_ptr<Controller>> Controller::create(const Options& options) {
    std::unique_ptr<Controller> controller(new Controller(options));
    BERTH_CHECK(controller->open_files());
    BERTH_CHECK(controller->make_parts());
    controller->wire_up();
    BERTH_CHECK(controller->listen());
    if (auto made = controller->make_setup_link(); !made) {
        // A full disk, mostly: what is there is served all the same.
        log::error("no link for making the first user", {{"error", made.error().message}});
    }
    BERTH_CHECK(controller->write_run_files());
    return controller;
}

// In the order of need; threads and what they hold go first.
Controller::~Controller() {
    if (http_loop_) {
        http_loop_->stop();
    }
    if (http_thread_.joinable()) {
        http_thread_.join();
    }
    if (workers_) {
        workers_->stop();
    }
    if (fleet_poster_ && http_poster_) {
        fleet_poster_->close();
        http_poster_->close();
    }
    signal_watch_.reset();
    tls_look_.reset();
    front_.reset();
    router_.reset();
    hub_.reset();
    follows_.reset();
    mail_.reset();
    fleet_.reset();  // which answers what is under way
    local_door_.reset();
    if (lock_.valid()) {
        (void)::unlink(paths_.remote_agents().c_str());
        (void)::unlink(paths_.pid().c_str());  // the lock is what counts
        (void)::unlink(paths_.address().c_str());
        (void)::unlink(paths_.fingerprint().c_str());
        if (folder_) {
            folder_->leave(paths_.places);
        }
    }
}

Result<void> Controller::open_files() {
    BERTH_CHECK(os::make_folders(paths_.root));
    BERTH_CHECK(os::make_folders(paths_.agents));
    paths_ = Paths(options_.home);
    BERTH_TRY(auto lock, os::try_lock_file(paths_.lock()));
    if (!lock) {
        return fail(ErrorCode::AlreadyExists,
                    "a controller runs in \"" + paths_.root + "\" already");
    }
    lock_ = std::move(*lock);
    BERTH_TRY(const home::Being being, home::being_of(paths_.places));
    BERTH_CHECK(home::settle(paths_.places, being));
    standby_ = home::reason_to_stand_by(being);
    if (!standby_.empty()) {
        log::warning(home::standby_notice(being));
    }
    BERTH_TRY(folder_, home::RuntimeFolder::open(paths_.places, being.identity.mark));
    const bool anew = home::is_to_begin_anew(paths_.places);
    if (anew) {
        BERTH_CHECK(os::remove_tree(paths_.keys));
    }
    BERTH_TRY(site_, load_site(paths_, options_));
    BERTH_TRY(keys_, bus::load_or_make_keys(paths_.keys, "controller"));
    cookies_ = std::make_unique<access::Cookies>(
        access::token_hash(keys_.public_key).substr(0, kCookieId), site_.prefix);
    BERTH_TRY(store_, store::sqlite::open(paths_.database));
    if (anew) {
        BERTH_CHECK(store_->sessions().remove_all());
        BERTH_CHECK(home::has_begun_anew(paths_.places));
    }
    BERTH_TRY(auth_, access::Auth::create({store_->users(), store_->sessions(), store_->tokens()}));
    return {};
}

Result<void> Controller::make_parts() {
    // Before the first thread, so that all of them have these signals blocked.
    BERTH_TRY(signals_, os::make_signalfd({SIGTERM, SIGINT, SIGHUP}));
    BERTH_TRY(fleet_loop_, loop::EventLoop::create());
    BERTH_TRY(http_loop_, loop::EventLoop::create());
    fleet_poster_ = std::make_shared<loop::Poster>(*fleet_loop_);
    http_poster_ = std::make_shared<loop::Poster>(*http_loop_);
    workers_ = std::make_unique<loop::WorkerPool>(
        loop::WorkerPool::LaneOptions{kWorkers, kMaxWaiting, /*linger=*/Duration::max()});
    assets_ = std::make_unique<panel::Assets>(options_.panel_dir, site_.prefix);
    fleet_ = std::make_unique<fleet::Fleet>(*fleet_loop_,
                                            paths_.agents,
                                            fleet::zmq_connector(context_, *fleet_loop_, keys_),
                                            face::fleet_rendering());
    mail_ = std::make_unique<fleet::MailRouter>(
        *fleet_loop_,
        keys_.public_key,
        fleet::zmq_connector(context_, *fleet_loop_, keys_, wire::kMaxMailFrame));
    fleet_->on_members([this](const auto& targets) {
        mail_->set(targets);
        write_remote_agents(targets);
    });
    follows_ = std::make_unique<fleet::LogFollows>(
        *fleet_loop_,
        [this](const std::string& agent,
               const std::string& verb,
               wire::Value args,
               Duration deadline,
               std::function<void(Result<wire::Value>)> answer) {
            fleet_->request(agent, verb, std::move(args), deadline, std::move(answer));
        },
        face::log_pieces,
        [this](std::vector<fleet::FollowerId> to, std::shared_ptr<const fleet::LogPiece> piece) {
            (void)http_poster_->post(
                [this, to = std::move(to), piece = std::move(piece)] { hub_->deliver(to, piece); });
        });
    hub_ = std::make_unique<live::Hub>(*http_loop_, *auth_, log_source());
    return {};
}

live::LogSource Controller::log_source() {
    live::LogSource source;
    source.follow =
        [this](live::Viewer::Id viewer, std::string agent, std::string id, std::uint64_t tail) {
            (void)fleet_poster_->post(
                [this, viewer, agent = std::move(agent), id = std::move(id), tail] {
                    follows_->follow(viewer, agent, id, tail);
                });
        };
    source.unfollow = [this](live::Viewer::Id viewer, std::string app) {
        (void)fleet_poster_->post(
            [this, viewer, app = std::move(app)] { follows_->unfollow(viewer, app); });
    };
    source.drop = [this](live::Viewer::Id viewer) {
        (void)fleet_poster_->post([this, viewer] { follows_->drop(viewer); });
    };
    return source;
}

void Controller::wire_up() {
    fleet_->on_published([this](fleet::FleetViewPtr view) {
        (void)http_poster_->post([this, view = std::move(view)] { hub_->show(view); });
    });
    auth_->on_sessions_ended(
        [this] { (void)http_poster_->post([this] { hub_->check_sessions(); }); });
    services_ = std::make_unique<service::Services>(
        service::Services::Needs{*store_,
                                 *auth_,
                                 *workers_,
                                 *fleet_,
                                 *fleet_loop_,
                                 fleet_poster_,
                                 [this] { reload_agents(); },
                                 [this] { remove_setup_link(); }});
    routes_ =
        std::make_unique<rest::Services>(rest::Services{*services_, *hub_, *assets_, *cookies_});
}

Result<void> Controller::listen() {
    http::FrontOptions front;
    const bool said = !options_.listen.empty();
    BERTH_CHECK(choose_listen(paths_, options_));
    BERTH_TRY(front.listen, os::parse_tcp_address(options_.listen));
    access::Site site = site_;
    if (front.listen.is_loopback()) {
        BERTH_CHECK(add_hosts(site, {"localhost", "127.0.0.1", "[::1]", front.listen.host}));
    }
    BERTH_CHECK(begin_tls(site));
    if (!front.listen.is_loopback() && !options_.allow_remote) {
        return fail(
            ErrorCode::PermissionDenied,
            "\"" + options_.listen +
                (tls_
                     ? "\" can be reached from other machines; say --allow-remote if that is meant"
                     : "\" can be reached from other machines, and passwords would travel in clear "
                       "text; listen on 127.0.0.1 behind a TLS proxy or an SSH tunnel, or say "
                       "--allow-remote"));
    }
    BERTH_CHECK(add_hosts(site, options_.hosts));
    if (!site.hosts.empty()) {
        for (const access::PublicUrl& url : site_.urls) {
            BERTH_CHECK(add_hosts(site, {url.origin.host.name}));
        }
    }
    const std::uint64_t descriptors = os::raise_descriptor_limit();
    if (descriptors < front.max_connections + kSpareDescriptors) {
        front.max_connections =
            std::max<std::size_t>(64, descriptors - std::min(descriptors, kSpareDescriptors));
    }
    cookie_way_ = std::make_unique<access::CookieAuthenticator>(*auth_, *cookies_);
    gate_ = std::make_unique<access::Gate>(
        std::move(site), std::vector<const access::Authenticator*>{cookie_way_.get()});
    router_ = std::make_unique<rest::Router>(
        *gate_,
        *workers_,
        [this](const std::string& path) { return assets_->has(path); },
        rest::all_routes(*routes_));
    auto opened = http::Front::create(
        *http_loop_,
        http_poster_,
        front,
        {[this](http::Request request, http::Responder responder) {
             return router_->dispatch(std::move(request), std::move(responder));
         },
         [this](const http::Request& head) { return router_->knows(head); },
         [](int status, std::string_view why) { return face::problem(status, why); },
         face::kSecurityFields});
    if (!opened) {
        return fail(opened.error().within("the panel cannot be served at " + options_.listen +
                                          " (--listen 127.0.0.1:0 takes a free port)"));
    }
    front_ = std::move(*opened);
    if (tls_) {
        front_->speak(tls_->context());
    }
    url_ = (tls_ ? "https://" : "http://") + front_->address().text();
    if (auto kept = said ? remember_listen(paths_, front_->address().text(), options_.allow_remote)
                         : Result<void>();
        !kept) {
        log::warning("where the panel is served is not remembered",
                     {{"error", kept.error().message}});
    }
    return {};
}

// A certificate that is made is for all names that this machine may be called by.
Result<void> Controller::begin_tls(const access::Site& site) {
    std::vector<std::string> names = {"localhost", "127.0.0.1", "::1"};
    const auto add = [&names](const std::string& name) {
        const bool any = name.empty() || name == "0.0.0.0" || name == "[::]" || name == "::";
        if (!any && std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(name);
        }
    };
    add(os::host_name());
    BERTH_TRY(const auto address, os::parse_tcp_address(options_.listen));
    add(address.host);
    for (const access::PublicUrl& url : site.urls) {
        add(url.origin.host.name);
    }
    for (const std::string& host : options_.hosts) {
        add(host);
    }
    BERTH_TRY(tls_, Tls::open(paths_, options_, names));
    return {};
}

Result<void> Controller::make_setup_link() {
    BERTH_TRY(const auto token, auth_->make_setup_token());
    if (!token) {
        remove_setup_link();
        return {};
    }
    setup_link_ = (public_url().empty() ? url_ + '/' : public_url()) + "setup#token=" + *token;
    return os::replace_file(paths_.setup_link(), setup_link_ + "\n", 0600);
}

void Controller::remove_setup_link() {
    (void)::unlink(paths_.setup_link().c_str());  // there may be none
}

Result<void> Controller::write_run_files() {
    BERTH_CHECK(os::replace_file(paths_.pid(), std::to_string(::getpid()) + "\n", 0644));
    BERTH_CHECK(os::replace_file(paths_.public_url(), public_url() + "\n", 0644));
    if (tls_) {
        BERTH_CHECK(os::replace_file(paths_.fingerprint(), fingerprint() + "\n", 0644));
    } else {
        (void)::unlink(paths_.fingerprint().c_str());  // there may be none
    }
    BERTH_CHECK(os::replace_file(paths_.address(), url_ + "\n", 0644));
    if (!options_.ready_file.empty()) {
        BERTH_CHECK(os::replace_file(os::absolute_path(options_.ready_file), url_ + "\n", 0644));
    }
    return {};
}

void Controller::run() {
    const auto agents = store_->agents().all();
    fleet_->start(agents ? targets(*agents) : std::vector<fleet::AgentTarget>());
    open_local_door();
    signal_watch_ = fleet_loop_->watch(
        signals_.get(), loop::Interest::Read, [this](bool, bool) { on_signal(); });
    http_thread_ = std::thread([this] { http_loop_->run(); });
    if (tls_) {
        log::info("the controller runs", {{"address", url_}, {"sha256", fingerprint()}});
        look_after_tls();
    } else {
        log::info("the controller runs", {{"address", url_}});
    }
    fleet_loop_->run();
    // Panels are told while their loop still runs.
    (void)http_poster_->post([this] {
        hub_->stop();
        http_loop_->stop();
    });
    http_thread_.join();
    log::info("the controller has ended");
}

// Without it the panel and the API work; only the command line does not reach other machines.
void Controller::open_local_door() {
    auto door = LocalDoor::open(
        *fleet_loop_,
        *fleet_,
        paths_.control(),
        [this](const std::string& actor, const std::string& verb, const std::string& target) {
            services_->forwarded(actor, verb, target);
        });
    if (!door) {
        return log::error("the command line does not reach other machines' agents",
                          {{"error", door.error().message}});
    }
    local_door_ = std::move(*door);
}

// For the command line, which so need not ask when there are none.
void Controller::write_remote_agents(const std::vector<fleet::AgentTarget>& targets) {
    std::string names;
    for (const fleet::AgentTarget& target : targets) {
        names += target.local ? "" : target.name + "\n";
    }
    if (names == remote_names_) {
        return;
    }
    remote_names_ = names;
    if (const auto written = os::replace_file(paths_.remote_agents(), names, 0644); !written) {
        log::warning("the command line does not know which agents are on other machines",
                     {{"error", written.error().message}});
    }
}

// A copy of a home that lives has the keys of that one, and must not take its place.
std::vector<fleet::AgentTarget> Controller::targets(
    const std::vector<store::AgentRow>& agents) const {
    std::vector<fleet::AgentTarget> targets;
    for (const store::AgentRow& agent :
         standby_.empty() ? agents : std::vector<store::AgentRow>()) {
        targets.push_back({agent.name, agent.endpoint, agent.public_key, false});
    }
    return targets;
}

void Controller::stop() {
    fleet_loop_->stop();
}

void Controller::on_signal() {
    while (const auto signal = os::next_signal(signals_.get())) {
        if (signal->number == SIGHUP) {
            reload();
        } else {
            fleet_loop_->stop();
        }
    }
}

// After a command has changed the database.
void Controller::reload() {
    (void)workers_->post(loop::WorkerPool::Lane::Short, [this] {
        if (const auto done = auth_->reload(); !done) {
            log::error("the users were not read again", {{"error", done.error().message}});
        }
        if (!auth_->setup_required()) {
            remove_setup_link();
        }
        reload_agents();
        reload_tls();
    });
}

// Connections that are open keep the certificate that they began with.
void Controller::reload_tls() {
    const std::lock_guard reading(reading_tls_);
    if (!tls_) {
        return;
    }
    if (auto context = tls_->read_again()) {
        (void)os::replace_file(paths_.fingerprint(), context->fingerprint() + "\n", 0644);
        (void)http_poster_->post([this, context = std::move(context)] { front_->speak(context); });
    }
}

// Certificates are renewed by programs that tell nobody.
void Controller::look_after_tls() {
    tls_look_ = fleet_loop_->after(kLookAtTls, [this] {
        (void)workers_->post(loop::WorkerPool::Lane::Short, [this] { reload_tls(); });
        look_after_tls();
    });
}

// Read and handed over in one go: an older list must not come after a newer one, or an agent that
// was removed would stay.
void Controller::reload_agents() {
    const std::lock_guard reading(agents_);
    const auto agents = store_->agents().all();
    if (!agents) {
        return log::error("the agents were not read again", {{"error", agents.error().message}});
    }
    (void)fleet_poster_->post([this, remote = targets(*agents)] { fleet_->set_remote(remote); });
}

}  // namespace berth::controller
