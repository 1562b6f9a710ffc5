#pragma once

#include <string>
#include <string_view>
#include <vector>

// What is a secret by its looks, and how it is shown to those who may not know it. The one place
// that decides this; who may know it is decided where something is shown.
namespace berth {

// Stands for the value of a secret in everything that is shown.
inline constexpr std::string_view kMaskedSecret = "••••";

// Whether the value of a variable, member or option of this name is better not shown: "password",
// "apiKey", "DB_PASS", "authorization" …
bool looks_secret(std::string_view name);

// The value of a variable: masked when its name or the value itself looks like a secret, and with
// without_secrets() else. An empty one stays empty.
std::string shown_value(std::string_view name, std::string_view value);

// A text (a command line, a sentence, a URL) with what looks like a secret in it masked: NAME=VALUE
// and "NAME": VALUE with such a name, --NAME VALUE, the password in SCHEME://USER:PASSWORD@, and
// tokens of well-known forms. What is masked once stays as it is.
std::string without_secrets(std::string_view text);

// The same for the words of a command, of which a name and its value may be two.
std::vector<std::string> without_secrets(const std::vector<std::string>& words);

}  // namespace berth
