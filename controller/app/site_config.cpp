#include "controller/app/site_config.h"

#include <algorithm>

#include "shared/base/text.h"
#include "shared/config/controller_config.h"
#include "shared/config/toml_edit.h"
#include "shared/log/log.h"
#include "shared/os/file.h"

namespace berth::controller {

namespace {

Result<access::Site> site_of(const config::ControllerConfig& config) {
    access::Site site;
    for (const std::string& text : config.urls) {
        BERTH_TRY(auto url, access::PublicUrl::parse(text));
        site.urls.push_back(std::move(url));
        if (site.urls.back().prefix != site.urls.front().prefix) {
            return fail(ErrorCode::InvalidArgument,
                        "the addresses of the panel must have the same path: " +
                            site.urls.front().text() + " and " + site.urls.back().text());
        }
    }
    site.prefix = site.urls.empty() ? "" : site.urls.front().prefix;
    for (const std::string& text : config.trusted_proxies) {
        const auto network = os::IpNetwork::parse(text);
        if (!network) {
            return fail(ErrorCode::InvalidArgument,
                        "trusted_proxies: \"" + printable(text) +
                            "\" is no address like 127.0.0.1 or network like 10.0.0.0/8");
        }
        site.trusted_proxies.push_back(*network);
    }
    return site;
}

Result<std::string> text_of(const std::string& file) {
    auto read = os::read_file(file);
    return !read && read.error().code == ErrorCode::NotFound ? Result<std::string>("")
                                                             : std::move(read);
}

// What a flag sets a list to.
std::vector<std::string> meant(const std::vector<std::string>& given) {
    return given == std::vector<std::string>{"none"} ? std::vector<std::string>() : given;
}

}  // namespace

Result<access::Site> load_site(const Paths& paths, const Options& options) {
    const std::string file = paths.config();
    BERTH_TRY(const std::string before, text_of(file));
    BERTH_TRY(auto config, config::parse_controller_config(file, before));
    for (const std::string& line : config.warnings) {
        log::warning("controller.toml", {{"warning", line}});
    }
    std::string text = before;
    if (!options.urls.empty()) {
        config.urls = meant(options.urls);
        text = config::with_list(text, "http", "url", config.urls);
    }
    std::vector<std::string> proxies = options.trusted_proxies;
    if (proxies.empty() && !options.urls.empty() && config.trusted_proxies.empty()) {
        // The proxy runs beside us.
        proxies = config.urls.empty() ? proxies : std::vector<std::string>{"127.0.0.1", "::1"};
    }
    if (!proxies.empty()) {
        config.trusted_proxies = meant(proxies);
        text = config::with_list(text, "http", "trusted_proxies", config.trusted_proxies);
    }
    auto site = site_of(config);
    if (!site && text == before) {
        return fail(site.error().code, "\"" + file + "\": " + site.error().message);
    }
    if (!site || text == before) {
        return site;
    }
    // What was written is what will be read, or the file has a form that is not understood here.
    const auto again = config::parse_controller_config(file, text);
    if (!again || again->urls != config.urls || again->trusted_proxies != config.trusted_proxies) {
        return fail(
            ErrorCode::InvalidArgument,
            "\"" + file + "\" cannot be changed; write url and trusted_proxies into its [http]");
    }
    BERTH_CHECK(os::replace_file(file, text, 0644));
    return site;
}

Result<void> choose_listen(const Paths& paths, Options& options) {
    constexpr const char* kDefault = "127.0.0.1:6880";
    if (!options.listen.empty()) {
        return {};
    }
    BERTH_TRY(const std::string text, text_of(paths.config()));
    BERTH_TRY(const auto config, config::parse_controller_config(paths.config(), text));
    options.listen = config.listen.empty() ? kDefault : config.listen;
    options.allow_remote = options.allow_remote || config.allow_remote;
    return {};
}

Result<void> remember_listen(const Paths& paths, const std::string& address, bool allow_remote) {
    const std::string file = paths.config();
    BERTH_TRY(const std::string before, text_of(file));
    BERTH_TRY(const auto config, config::parse_controller_config(file, before));
    if (config.listen == address && config.allow_remote == allow_remote) {
        return {};
    }
    std::string text = config::with_text(before, "http", "listen", address);
    if (config.allow_remote != allow_remote) {
        text = config::with_flag(text, "http", "allow_remote", allow_remote);
    }
    const auto again = config::parse_controller_config(file, text);
    if (!again || again->listen != address || again->allow_remote != allow_remote) {
        return fail(ErrorCode::InvalidArgument,
                    "\"" + file + "\" cannot be changed; write listen into its [http]");
    }
    return os::replace_file(file, text, 0644);
}

Result<void> add_hosts(access::Site& site, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
        auto host = access::Host::parse(name);
        if (!host) {  // an IPv6 address that is not in brackets
            host = access::Host::parse('[' + name + ']');
        }
        if (!host) {
            return fail(ErrorCode::InvalidArgument, "\"" + printable(name) + "\" names no host");
        }
        if (std::none_of(site.hosts.begin(), site.hosts.end(), [&host](const auto& known) {
                return known.name == host->name;
            })) {
            site.hosts.push_back(std::move(*host));
        }
    }
    return {};
}

}  // namespace berth::controller
