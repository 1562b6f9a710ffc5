#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/base/result.h"

struct ssl_ctx_st;

namespace berth::http {

// A certificate with its chain, and its private key, both in PEM.
struct PemPair {
    std::string certificate;
    std::string key;
};

// A key of its own and a certificate for it that nobody else has signed: for these names and
// addresses, for ten years. Error: Internal.
Result<PemPair> make_self_signed(const std::vector<std::string>& names);

// What a server speaks TLS with: TLS 1.2 and later, no renegotiation, and HTTP/1.1 by ALPN.
// Immutable; connections that have begun with it keep it.
class TlsContext {
public:
    // Error: which file cannot be used, and why.
    static Result<std::shared_ptr<const TlsContext>> load(const std::string& certificate_file,
                                                          const std::string& key_file);

    ~TlsContext();
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;

    // SHA-256 of the certificate, as browsers show it: "AB:CD:…".
    [[nodiscard]] const std::string& fingerprint() const { return fingerprint_; }

    // "": it is valid now. Else why browsers will not take it.
    [[nodiscard]] const std::string& complaint() const { return complaint_; }

    [[nodiscard]] ssl_ctx_st* get() const { return context_; }

private:
    TlsContext() = default;

    ssl_ctx_st* context_ = nullptr;
    std::string fingerprint_;
    std::string complaint_;
};

}  // namespace berth::http
