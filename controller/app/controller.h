#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "controller/access/cookie_authenticator.h"
#include "controller/access/gate.h"
#include "controller/app/commands.h"
#include "controller/app/local_door.h"
#include "controller/app/options.h"
#include "controller/app/tls.h"
#include "controller/face/rest/router.h"
#include "controller/face/rest/services.h"
#include "controller/fleet/log_follow.h"
#include "controller/fleet/mail_router.h"
#include "controller/http/front.h"
#include "controller/service/services.h"
#include "shared/bus/context.h"
#include "shared/home/runtime_folder.h"
#include "shared/os/unique_fd.h"

namespace berth::controller {

// The controller of one home. Three kinds of threads: the one that calls run() owns the links to
// the agents and the signals; the http thread owns all connections; two workers hash passwords and
// use the database. They talk by posting to each other's loops, and share the views of the fleet.
// Its many members are the parts that it puts together, in the order of need.
class Controller {
public:
    // Listens when it returns, but answers only within run(). Error: another one runs in this home,
    // the address is taken or not allowed, the files cannot be used.
    static Result<std::unique_ptr<Controller>> create(const Options& options);
    ~Controller();
    Controller(const Controller&) = delete;
    Controller& operator=(const Controller&) = delete;

    // Until SIGTERM, SIGINT, or stop().
    void run();

    // From any thread.
    void stop();

    // "http://127.0.0.1:6880"
    [[nodiscard]] const std::string& url() const { return url_; }

    // What browsers use instead, "https://panel.example.org/berth/"; "" when nothing is configured.
    [[nodiscard]] std::string public_url() const {
        return site_.urls.empty() ? "" : site_.urls.front().text();
    }

    // SHA-256 of the certificate; "" without TLS.
    [[nodiscard]] std::string fingerprint() const {
        return tls_ ? tls_->context()->fingerprint() : "";
    }

    // With the one-time token; "" when there are users.
    [[nodiscard]] const std::string& setup_link() const { return setup_link_; }

private:
    explicit Controller(const Options& options);

    Result<void> open_files();
    Result<void> make_parts();
    Result<void> begin_tls(const access::Site& site);
    Result<void> listen();
    Result<void> write_run_files();
    Result<void> make_setup_link();
    void wire_up();
    void on_signal();
    void reload();
    void reload_agents();
    void reload_tls();
    void look_after_tls();
    void remove_setup_link();
    void open_local_door();
    void write_remote_agents(const std::vector<fleet::AgentTarget>& targets);
    [[nodiscard]] std::vector<fleet::AgentTarget> targets(
        const std::vector<store::AgentRow>& agents) const;
    live::LogSource log_source();

    Options options_;
    Paths paths_;
    access::Site site_;
    std::unique_ptr<access::Cookies> cookies_;
    std::string url_;
    std::string setup_link_;
    std::unique_ptr<Tls> tls_;  // null: in clear text
    loop::Registration tls_look_;
    std::mutex reading_tls_;  // held by the worker that does
    os::UniqueFd lock_;
    std::optional<home::RuntimeFolder> folder_;
    std::string standby_;  // why no agent of another machine is reached; "": they are
    os::UniqueFd signals_;
    bus::Context context_;
    bus::KeyPair keys_;
    std::unique_ptr<store::Database> store_;
    std::unique_ptr<access::Auth> auth_;
    std::unique_ptr<loop::EventLoop> fleet_loop_;
    std::unique_ptr<loop::EventLoop> http_loop_;
    loop::PosterPtr fleet_poster_;
    loop::PosterPtr http_poster_;
    std::unique_ptr<loop::WorkerPool> workers_;
    std::unique_ptr<panel::Assets> assets_;
    std::mutex agents_;  // held by the worker that reads the list of agents and hands it over
    std::unique_ptr<fleet::Fleet> fleet_;
    std::unique_ptr<LocalDoor> local_door_;
    std::string remote_names_;  // as they were written down last
    std::unique_ptr<fleet::MailRouter> mail_;
    std::unique_ptr<fleet::LogFollows> follows_;
    std::unique_ptr<live::Hub> hub_;
    std::unique_ptr<service::Services> services_;
    std::unique_ptr<rest::Services> routes_;
    std::unique_ptr<access::CookieAuthenticator> cookie_way_;
    std::unique_ptr<access::Gate> gate_;
    std::unique_ptr<rest::Router> router_;
    std::unique_ptr<http::Front> front_;
    loop::Registration signal_watch_;
    std::thread http_thread_;
};

}  // namespace berth::controller
