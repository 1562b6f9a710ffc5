#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/app/commands.h"
#include "controller/app/options.h"
#include "controller/http/tls_context.h"

namespace berth::controller {

// Where the certificate of a controller and its key are.
struct TlsFiles {
    std::string certificate;
    std::string key;
};

// The TLS of a controller: what controller.toml says in [tls], and the files that it names. One
// thread at a time.
class Tls {
public:
    // Null: plain HTTP is served. `names`: what a certificate is for that is made now, in the
    // home's tls folder, because `self_signed` is set and there is none. What `options` say of it
    // is written into controller.toml before. Error: which file cannot be used, and why.
    static Result<std::unique_ptr<Tls>> open(const Paths& paths,
                                             const Options& options,
                                             const std::vector<std::string>& names);

    [[nodiscard]] const std::shared_ptr<const http::TlsContext>& context() const {
        return context_;
    }

    // Reads the files again when they are others now. Null: they are not, or cannot be used, which
    // is logged; then what there was stays. Blocks.
    std::shared_ptr<const http::TlsContext> read_again();

private:
    explicit Tls(TlsFiles files) : files_(std::move(files)) {}

    // What tells files that have changed from those that have not.
    [[nodiscard]] std::string content() const;

    TlsFiles files_;
    std::string read_;  // the content that was read last, good or not
    std::shared_ptr<const http::TlsContext> context_;
};

}  // namespace berth::controller
