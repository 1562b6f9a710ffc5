#include "shared/base/secrets.h"

#include <algorithm>
#include <array>

namespace berth {

namespace {

// Of a name's words, and those that say enough wherever they stand.
constexpr std::array<std::string_view, 19> kSecretWords = {"key",
                                                           "keys",
                                                           "auth",
                                                           "pwd",
                                                           "pw",
                                                           "pass",
                                                           "pin",
                                                           "otp",
                                                           "jwt",
                                                           "cookie",
                                                           "cookies",
                                                           "bearer",
                                                           "psk",
                                                           "cred",
                                                           "creds",
                                                           "userpass",
                                                           "pat",
                                                           "salt",
                                                           "private"};
constexpr std::array<std::string_view, 9> kSecretParts = {"password",
                                                          "passwd",
                                                          "passphrase",
                                                          "secret",
                                                          "token",
                                                          "apikey",
                                                          "privatekey",
                                                          "authorization",
                                                          "credential"};

// How tokens of well-known makers begin, and how long they are at least.
struct TokenForm {
    std::string_view prefix;
    std::size_t least;
};

constexpr std::array<TokenForm, 14> kTokenForms = {{{"ghp_", 20},
                                                    {"gho_", 20},
                                                    {"ghu_", 20},
                                                    {"ghs_", 20},
                                                    {"github_pat_", 20},
                                                    {"glpat-", 20},
                                                    {"xoxb-", 20},
                                                    {"xoxp-", 20},
                                                    {"sk-", 24},
                                                    {"sk_live_", 16},
                                                    {"sk_test_", 16},
                                                    {"AKIA", 20},
                                                    {"AIza", 30},
                                                    {"eyJ", 40}}};
constexpr std::string_view kPrivateKey = "-----BEGIN ";

bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

bool is_name(char c) {
    return is_upper(c) || is_lower(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
}

bool is_token(std::string_view text) {
    const bool plain = std::all_of(text.begin(), text.end(), is_name);
    return plain &&
           std::any_of(kTokenForms.begin(), kTokenForms.end(), [text](const TokenForm& form) {
               return text.size() >= form.least &&
                      text.substr(0, form.prefix.size()) == form.prefix;
           });
}

bool is_option(std::string_view text) {
    return text.size() > 1 && text.front() == '-';
}

// Whether NAME:PASSWORD follows, as curl takes it.
bool is_user_option(std::string_view text) {
    return text == "-u" || text == "--user";
}

// Masks a text from its begin to its end.
class Masker {
public:
    explicit Masker(std::string_view text) : text_(text) {}

    std::string run() {
        while (at_ < text_.size()) {
            if (!private_key() && !url() && !named()) {
                copy(at_ + 1);
            }
        }
        return std::move(shown_);
    }

private:
    void copy(std::size_t end) {
        shown_ += text_.substr(at_, end - at_);
        at_ = end;
    }

    // What stands for text_[at_, end).
    void mask(std::size_t end) {
        if (end > at_) {
            shown_ += kMaskedSecret;
            at_ = end;
        }
    }

    [[nodiscard]] bool starts(std::size_t at, std::string_view with) const {
        return text_.substr(std::min(at, text_.size()), with.size()) == with;
    }

    [[nodiscard]] char look(std::size_t at) const { return at < text_.size() ? text_[at] : '\0'; }

    bool private_key() {
        if (!starts(at_, kPrivateKey)) {
            return false;
        }
        const std::size_t named = text_.find("PRIVATE KEY-----", at_);
        if (named == std::string_view::npos || named > at_ + 40) {
            return false;
        }
        const std::size_t end = text_.find("PRIVATE KEY-----", named + 1);
        mask(end == std::string_view::npos ? text_.size() : end + 16);
        return true;
    }

    // "://USER:PASSWORD@", "://TOKEN@".
    bool url() {
        if (!starts(at_, "://")) {
            return false;
        }
        copy(at_ + 3);
        const std::size_t end = std::min(text_.find_first_of("/?# \t\r\n\"'<>", at_), text_.size());
        const std::size_t host = text_.substr(0, end).rfind('@');
        if (host == std::string_view::npos || host < at_) {
            return true;
        }
        const std::size_t colon = text_.substr(0, host).find(':', at_);
        constexpr std::size_t kLongName = 20;  // a longer "user" without a password is a token
        if (colon != std::string_view::npos) {
            copy(colon + 1);
            mask(host);
        } else if (host - at_ >= kLongName) {
            mask(host);
        }
        return true;
    }

    // A name with what belongs to it, or a token.
    bool named() {
        std::size_t end = at_;
        while (end < text_.size() && is_name(text_[end])) {
            ++end;
        }
        if (end == at_) {
            return false;
        }
        const std::string_view name = text_.substr(at_, end - at_);
        if (is_token(name)) {
            mask(end);
            return true;
        }
        const bool secret = looks_secret(name);
        copy(end);
        if (secret) {
            value_of(name);
        } else if (is_user_option(name)) {
            password_of_user();
        }
        return true;
    }

    // Of " NAME:PASSWORD".
    void password_of_user() {
        const std::size_t from = text_.find_first_not_of(" \t", at_);
        const std::size_t end = std::min(text_.find_first_of(" \t\r\n\"'", from), text_.size());
        const std::size_t colon = text_.find(':', from);
        if (from != at_ && from != std::string_view::npos && colon < end) {
            copy(colon + 1);
            mask(end);
        }
    }

    // The place after a name's separator; 0: none follows.
    [[nodiscard]] std::size_t after_separator(std::string_view name) const {
        std::size_t at = at_;
        const char quote = look(at) == '"' || look(at) == '\'' ? look(at) : '\0';
        if (quote != '\0') {
            ++at;  // "name": value
        }
        if (look(at) == '=' || look(at) == ':') {
            ++at;
            while (text_[at - 1] == ':' && (look(at) == ' ' || look(at) == '\t')) {
                ++at;
            }
            return at;
        }
        const bool next_word = quote == '\0' && is_option(name) && is_blank(look(at));
        while (next_word && is_blank(look(at))) {
            ++at;
        }
        return next_word && look(at) != '-' ? at : 0;
    }

    void value_of(std::string_view name) {
        const std::size_t from = after_separator(name);
        if (from == 0 || from >= text_.size()) {
            return;
        }
        copy(from);
        for (const std::string_view scheme : {"Bearer ", "Basic ", "bearer ", "basic "}) {
            if (starts(at_, scheme)) {
                copy(at_ + scheme.size());
            }
        }
        const char quote = look(at_);
        if (quote == '"' || quote == '\'') {
            copy(at_ + 1);
            std::size_t end = at_;
            while (end < text_.size() && text_[end] != quote) {
                end += text_[end] == '\\' && quote == '"' ? 2 : 1;
            }
            return mask(std::min(end, text_.size()));
        }
        std::size_t end = at_;
        while (end < text_.size() && !is_blank(text_[end]) &&
               std::string_view("\"',;&)}]").find(text_[end]) == std::string_view::npos) {
            ++end;
        }
        mask(end);
    }

    std::string_view text_;
    std::string shown_;
    std::size_t at_ = 0;
};

}  // namespace

bool looks_secret(std::string_view name) {
    constexpr std::size_t kLongest = 256;
    std::string all;
    std::vector<std::string> words(1);
    for (std::size_t i = 0; i < std::min(name.size(), kLongest); ++i) {
        const char c = name[i];
        if (!is_upper(c) && !is_lower(c)) {
            words.emplace_back();
            continue;
        }
        if (is_upper(c) && i > 0 && is_lower(name[i - 1])) {
            words.emplace_back();
        }
        const char lower = is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
        words.back() += lower;
        all += lower;
    }
    const auto is_secret_word = [](const std::string& word) {
        return std::find(kSecretWords.begin(), kSecretWords.end(), word) != kSecretWords.end();
    };
    return std::any_of(words.begin(), words.end(), is_secret_word) ||
           std::any_of(kSecretParts.begin(), kSecretParts.end(), [&all](std::string_view part) {
               return all.find(part) != std::string::npos;
           });
}

std::string shown_value(std::string_view name, std::string_view value) {
    const bool is_folder = name == "PWD" || name == "OLDPWD";  // the shell's, no password
    if (!value.empty() && looks_secret(name) && !is_folder) {
        return std::string(kMaskedSecret);
    }
    return without_secrets(value);
}

std::string without_secrets(std::string_view text) {
    return Masker(text).run();
}

std::vector<std::string> without_secrets(const std::vector<std::string>& words) {
    std::vector<std::string> shown;
    bool is_value = false;  // of the option before it
    bool is_user = false;
    for (const std::string& word : words) {
        const bool option = is_option(word);
        const std::size_t colon = word.find(':');
        if (is_value && !option) {
            shown.emplace_back(kMaskedSecret);
        } else if (is_user && colon != std::string::npos) {
            shown.push_back(word.substr(0, colon + 1) + std::string(kMaskedSecret));
        } else {
            shown.push_back(without_secrets(word));
        }
        is_user = is_user_option(word);
        is_value = option && word.find('=') == std::string::npos && looks_secret(word);
    }
    return shown;
}

}  // namespace berth
