#include "controller/http/tls_context.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>

#include "shared/os/file.h"
#include "shared/os/ip_network.h"

namespace berth::http {

namespace {

template <auto kFree>
struct Free {
    template <class T>
    void operator()(T* it) const {
        kFree(it);
    }
};

using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;

constexpr long kDay = 24L * 3600;
constexpr long kLife = 3650 * kDay;  // of a certificate that we sign ourselves
constexpr int kSerialBits = 127;

// What OpenSSL has to say of its last failure.
std::string reason() {
    const unsigned long code = ERR_peek_last_error();
    const char* const text = ERR_reason_error_string(code);
    ERR_clear_error();
    return text == nullptr ? "OpenSSL does not say why" : text;
}

Result<Bio> open_pem(const std::string& file) {
    constexpr std::size_t kMost = 1U << 20U;
    BERTH_TRY(const std::string text, os::read_file(file, kMost));
    Bio bio(BIO_new(BIO_s_mem()));
    (void)BIO_write(bio.get(), text.data(), static_cast<int>(text.size()));  // into memory
    return bio;
}

// Keys with a passphrase are not asked for one.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* asked) {
    *static_cast<bool*>(asked) = true;
    return -1;
}

Result<Key> read_key(const std::string& file) {
    BERTH_TRY(const Bio pem, open_pem(file));
    bool encrypted = false;
    Key key(PEM_read_bio_PrivateKey(pem.get(), nullptr, no_passphrase, &encrypted));
    if (!key) {
        const std::string why = reason();
        return fail(ErrorCode::InvalidArgument,
                    '"' + file + "\": " +
                        (encrypted ? "the key has a passphrase; give one without"
                                   : "there is no private key in PEM form in it (" + why + ")"));
    }
    return key;
}

Result<std::vector<Certificate>> read_chain(const std::string& file) {
    BERTH_TRY(const Bio pem, open_pem(file));
    std::vector<Certificate> chain;
    while (X509* const one = PEM_read_bio_X509_AUX(pem.get(), nullptr, nullptr, nullptr)) {
        chain.emplace_back(one);
    }
    const std::string why = reason();  // the end of the file is one, too
    if (chain.empty()) {
        return fail(ErrorCode::InvalidArgument,
                    '"' + file + "\": there is no certificate in PEM form in it (" + why + ")");
    }
    return chain;
}

std::string fingerprint_of(const X509& certificate) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    (void)X509_digest(&certificate, EVP_sha256(), digest.data(), &length);  // fits
    std::string text;
    for (unsigned i = 0; i < length; ++i) {
        text += i == 0 ? "" : ":";
        text += kDigits[digest.at(i) >> 4U];
        text += kDigits[digest.at(i) & 0xFU];
    }
    return text;
}

// Of what a client offers HTTP/1.1 alone is taken; who offers only other things is told so.
int choose_protocol(SSL* /*ssl*/,
                    const unsigned char** chosen,
                    unsigned char* length,
                    const unsigned char* offered,
                    unsigned offered_length,
                    void* /*nothing*/) {
    static constexpr std::array<unsigned char, 9> kOurs = {
        8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
    unsigned char* found = nullptr;
    const int outcome =
        SSL_select_next_proto(&found, length, kOurs.data(), kOurs.size(), offered, offered_length);
    *chosen = found;
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void set_rules(SSL_CTX& context) {
    (void)SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(&context,
                              SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                  SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                  SSL_OP_IGNORE_UNEXPECTED_EOF);
    (void)SSL_CTX_set_mode(&context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);  // tickets do
    SSL_CTX_set_read_ahead(&context, 1);
    SSL_CTX_set_alpn_select_cb(&context, choose_protocol, nullptr);
}

// "DNS:localhost,IP:127.0.0.1".
std::string alternative_names(const std::vector<std::string>& names) {
    std::string text;
    for (std::string name : names) {
        if (!name.empty() && name.front() == '[') {
            name = name.substr(1, name.size() - 2);
        }
        text += text.empty() ? "" : ",";
        text += (os::IpAddress::parse(name) ? "IP:" : "DNS:") + name;
    }
    return text;
}

bool add_extension(X509& certificate, int kind, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, &certificate, &certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    return extension && X509_add_ext(&certificate, extension.get(), -1) == 1;
}

bool fill_in(X509& certificate, EVP_PKEY& key, const std::vector<std::string>& names) {
    const Number serial(BN_new());
    X509_NAME* const subject = X509_get_subject_name(&certificate);
    static constexpr std::array<unsigned char, 5> kName = {'B', 'e', 'r', 't', 'h'};
    return X509_set_version(&certificate, X509_VERSION_3) == 1 && serial &&
           BN_rand(serial.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(&certificate)) != nullptr &&
           // Clocks differ: it is valid since yesterday.
           X509_gmtime_adj(X509_getm_notBefore(&certificate), -kDay) != nullptr &&
           X509_gmtime_adj(X509_getm_notAfter(&certificate), kLife) != nullptr &&
           X509_set_pubkey(&certificate, &key) == 1 &&
           X509_NAME_add_entry_by_NID(
               subject, NID_commonName, MBSTRING_UTF8, kName.data(), kName.size(), -1, 0) == 1 &&
           X509_set_issuer_name(&certificate, subject) == 1 &&
           add_extension(certificate, NID_subject_alt_name, alternative_names(names)) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           X509_sign(&certificate, &key, EVP_sha256()) != 0;
}

std::string text_of(BIO& bio) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(&bio, &data);
    return {data, static_cast<std::size_t>(size)};
}

}  // namespace

Result<PemPair> make_self_signed(const std::vector<std::string>& names) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate(X509_new());
    const Bio certificate_text(BIO_new(BIO_s_mem()));
    const Bio key_text(BIO_new(BIO_s_mem()));
    if (!key || !certificate || !fill_in(*certificate, *key, names) ||
        PEM_write_bio_X509(certificate_text.get(), certificate.get()) != 1 ||
        PEM_write_bio_PrivateKey(
            key_text.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return fail(ErrorCode::Internal, "make a certificate: " + reason());
    }
    return PemPair{text_of(*certificate_text), text_of(*key_text)};
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

Result<std::shared_ptr<const TlsContext>> TlsContext::load(const std::string& certificate_file,
                                                           const std::string& key_file) {
    BERTH_TRY(const auto chain, read_chain(certificate_file));
    BERTH_TRY(const Key key, read_key(key_file));
    X509& own = *chain.front();
    const std::shared_ptr<TlsContext> made(new TlsContext());
    made->context_ = SSL_CTX_new(TLS_server_method());
    if (made->context_ == nullptr) {
        return fail(ErrorCode::Internal, "begin with TLS: " + reason());
    }
    set_rules(*made->context_);
    if (SSL_CTX_use_certificate(made->context_, &own) != 1) {
        return fail(ErrorCode::InvalidArgument, '"' + certificate_file + "\": " + reason());
    }
    for (std::size_t i = 1; i < chain.size(); ++i) {
        if (SSL_CTX_add1_chain_cert(made->context_, chain[i].get()) != 1) {
            return fail(ErrorCode::InvalidArgument, '"' + certificate_file + "\": " + reason());
        }
    }
    if (X509_check_private_key(&own, key.get()) != 1) {
        ERR_clear_error();
        return fail(
            ErrorCode::InvalidArgument,
            '"' + key_file + "\" is not the key of the certificate in \"" + certificate_file + '"');
    }
    if (SSL_CTX_use_PrivateKey(made->context_, key.get()) != 1) {
        return fail(ErrorCode::InvalidArgument, '"' + key_file + "\": " + reason());
    }
    made->fingerprint_ = fingerprint_of(own);
    if (X509_cmp_current_time(X509_get0_notAfter(&own)) < 0) {
        made->complaint_ = '"' + certificate_file + "\" has expired";
    } else if (X509_cmp_current_time(X509_get0_notBefore(&own)) > 0) {
        made->complaint_ = '"' + certificate_file + "\" is not valid yet";
    }
    return std::shared_ptr<const TlsContext>(made);
}

}  // namespace berth::http
