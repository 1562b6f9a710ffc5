#include "agent/backend/native/env_file.h"

#include <algorithm>

#include "shared/base/text.h"
#include "shared/config/values.h"

namespace berth::native {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr std::string_view kBlanks = " \t";

class EnvReader {
public:
    EnvReader(const std::string& file, std::string_view text) : file_(file), rest_(text) {}

    Result<EnvEntries> read() {
        if (rest_.starts_with(kByteOrderMark)) {
            rest_.remove_prefix(kByteOrderMark.size());
        }
        EnvEntries entries;
        while (!rest_.empty()) {
            skip(kBlanks);
            if (!at_line_end() && rest_.front() != '#') {
                at_line_start_ = false;
                BERTH_TRY(auto entry, read_entry());
                entries.push_back(std::move(entry));
            }
            BERTH_CHECK(end_line());
        }
        return entries;
    }

private:
    Result<EnvEntries::value_type> read_entry() {
        constexpr std::string_view kExport = "export";
        if (rest_.starts_with(kExport) && rest_.size() > kExport.size() &&
            kBlanks.find(rest_[kExport.size()]) != std::string_view::npos) {
            rest_.remove_prefix(kExport.size());
            skip(kBlanks);
        }
        const std::string_view line = rest_.substr(0, rest_.find('\n'));
        const std::size_t equals = line.find('=');
        if (equals == std::string_view::npos) {
            return refuse("NAME=VALUE is expected");
        }
        const std::string_view name = trim(line.substr(0, equals));
        if (name.find('\0') != std::string_view::npos) {
            return refuse("a NUL byte");
        }
        if (!config::is_env_name(name)) {
            return refuse("\"" + printable(shortened(name, 80)) +
                          "\" is not the name of a variable: letters, digits and _, the first one "
                          "no digit");
        }
        rest_.remove_prefix(equals + 1);
        skip(kBlanks);
        BERTH_TRY(std::string value, read_value());
        return EnvEntries::value_type{std::string(name), std::move(value)};
    }

    Result<std::string> read_value() {
        if (!rest_.empty() && (rest_.front() == '"' || rest_.front() == '\'')) {
            return read_quoted(rest_.front());
        }
        const std::string_view line = rest_.substr(0, rest_.find('\n'));
        std::size_t end = 0;  // of what is no comment
        while (end < line.size() &&
               !(line[end] == '#' &&
                 (end == 0 || kBlanks.find(line[end - 1]) != std::string_view::npos))) {
            ++end;
        }
        const std::string value(trim(line.substr(0, end)));
        rest_.remove_prefix(line.size());
        if (value.find('\0') != std::string::npos) {
            return refuse("a NUL byte");
        }
        return value;
    }

    Result<std::string> read_quoted(char quote) {
        const int began = line_;
        rest_.remove_prefix(1);
        std::string value;
        while (!rest_.empty() && rest_.front() != quote) {
            const char c = rest_.front();
            if (c == '\0') {
                return refuse("a NUL byte");
            }
            if (c == '\r' && rest_.size() > 1 && rest_[1] == '\n') {
                rest_.remove_prefix(1);
                continue;
            }
            if (c == '\\' && quote == '"' && rest_.size() > 1 && add_escaped(rest_[1], value)) {
                rest_.remove_prefix(2);
                continue;
            }
            line_ += c == '\n' ? 1 : 0;
            value += c;
            rest_.remove_prefix(1);
        }
        if (rest_.empty()) {
            line_ = began;
            return refuse(std::string("the quote ") + quote + " is not closed");
        }
        rest_.remove_prefix(1);
        return value;
    }

    static bool add_escaped(char c, std::string& value) {
        switch (c) {
            case '"':
            case '\\':
            case '$':
                value += c;
                return true;
            case 'n':
                value += '\n';
                return true;
            case 't':
                value += '\t';
                return true;
            default:
                return false;
        }
    }

    // Nothing but blanks and a comment may stand behind what was read.
    Result<void> end_line() {
        const bool blank = !rest_.empty() && kBlanks.find(rest_.front()) != std::string_view::npos;
        skip(kBlanks);
        const bool comment = !rest_.empty() && rest_.front() == '#';
        if (!at_line_end() && !(comment && (blank || at_line_start_))) {
            return refuse("text behind the closing quote");
        }
        const std::size_t newline = rest_.find('\n');
        if (rest_.substr(0, newline).find('\0') != std::string_view::npos) {
            return refuse("a NUL byte");
        }
        rest_.remove_prefix(newline == std::string_view::npos ? rest_.size() : newline + 1);
        ++line_;
        at_line_start_ = true;
        return {};
    }

    [[nodiscard]] bool at_line_end() const {
        return rest_.empty() || rest_.front() == '\n' || rest_.starts_with("\r\n") || rest_ == "\r";
    }

    void skip(std::string_view characters) {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(characters), rest_.size()));
    }

    tl::unexpected<Error> refuse(const std::string& what) const {
        return fail(ErrorCode::InvalidArgument, file_ + ":" + std::to_string(line_) + ": " + what);
    }

    const std::string& file_;
    std::string_view rest_;
    int line_ = 1;
    bool at_line_start_ = true;
};

}  // namespace

Result<EnvEntries> parse_env_file(const std::string& file, std::string_view text) {
    return EnvReader(file, text).read();
}

}  // namespace berth::native
