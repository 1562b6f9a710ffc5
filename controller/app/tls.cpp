#include "controller/app/tls.h"

#include "shared/config/controller_config.h"
#include "shared/config/toml_edit.h"
#include "shared/log/log.h"
#include "shared/os/file.h"

namespace berth::controller {

namespace {

// A path in controller.toml is below its folder, unless it is whole.
std::string below(const Paths& paths, const std::string& file) {
    return file.front() == '/' ? file : paths.root + '/' + file;
}

Result<std::string> text_of(const std::string& file) {
    auto read = os::read_file(file);
    return !read && read.error().code == ErrorCode::NotFound ? Result<std::string>("")
                                                             : std::move(read);
}

// --tls is kept, as the address is.
Result<void> remember(const std::string& file, const std::string& before) {
    const std::string text = config::with_flag(before, "tls", "self_signed", true);
    const auto again = config::parse_controller_config(file, text);
    if (!again || !again->tls_self_signed) {
        return fail(ErrorCode::InvalidArgument,
                    "\"" + file + "\" cannot be changed; write self_signed = true into its [tls]");
    }
    return os::replace_file(file, text, 0644);
}

Result<void> make_files(const TlsFiles& files, const std::vector<std::string>& names) {
    BERTH_TRY(const http::PemPair pair, http::make_self_signed(names));
    // The key first: a certificate is there only with its key.
    BERTH_CHECK(os::replace_file(files.key, pair.key, 0600));
    return os::replace_file(files.certificate, pair.certificate, 0600);
}

}  // namespace

Result<std::unique_ptr<Tls>> Tls::open(const Paths& paths,
                                       const Options& options,
                                       const std::vector<std::string>& names) {
    const std::string file = paths.config();
    BERTH_TRY(const std::string text, text_of(file));
    BERTH_TRY(const auto config, config::parse_controller_config(file, text));
    const bool given = !config.tls_certificate.empty();
    if (given != !config.tls_key.empty()) {
        return fail(
            ErrorCode::InvalidArgument,
            "\"" + file + "\": [tls] has " + (given ? "cert without key" : "key without cert"));
    }
    if (!given && !config.tls_self_signed && !options.tls) {
        return std::unique_ptr<Tls>();
    }
    std::unique_ptr<Tls> tls;
    if (given) {
        tls.reset(new Tls({below(paths, config.tls_certificate), below(paths, config.tls_key)}));
    } else {
        if (!config.tls_self_signed) {
            BERTH_CHECK(remember(file, text));
        }
        const std::string folder = paths.root + "/tls";
        BERTH_CHECK(os::make_folders(folder));
        tls.reset(new Tls({folder + "/cert.pem", folder + "/key.pem"}));
        if (!os::read_file(tls->files_.certificate)) {
            BERTH_CHECK(make_files(tls->files_, names));
        }
    }
    tls->read_ = tls->content();
    BERTH_TRY(tls->context_, http::TlsContext::load(tls->files_.certificate, tls->files_.key));
    if (!tls->context_->complaint().empty()) {
        log::warning("browsers will not take the certificate",
                     {{"why", tls->context_->complaint()}});
    }
    return tls;
}

std::string Tls::content() const {
    return os::read_file(files_.certificate).value_or("") + '\n' +
           os::read_file(files_.key).value_or("");
}

std::shared_ptr<const http::TlsContext> Tls::read_again() {
    const std::string now = content();
    if (now == read_) {
        return nullptr;
    }
    read_ = now;
    auto loaded = http::TlsContext::load(files_.certificate, files_.key);
    if (!loaded) {
        // Between the certificate and its key, mostly: the next look finds both.
        log::warning("the certificate of before is kept", {{"error", loaded.error().message}});
        return nullptr;
    }
    context_ = std::move(*loaded);
    log::info("the certificate was read again", {{"sha256", context_->fingerprint()}});
    return context_;
}

}  // namespace berth::controller
