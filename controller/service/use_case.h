#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "controller/access/identity.h"
#include "shared/base/result.h"

namespace berth::service {

enum class Kind : std::uint8_t { Read, Change };

// What can be asked of the controller: which right it needs, and whether it changes something, so
// that it is written into the audit log. The only place where either is said.
struct UseCase {
    std::string_view verb;  // in the audit log, unless the change names a closer one
    std::optional<access::Right> right = access::Right::Administer;  // nothing: everybody may
    Kind kind = Kind::Change;
};

// Who asks, and from where.
struct Caller {
    std::string name;  // in the audit log
    std::string address;
    std::optional<access::Identity> who;  // nothing: nobody is signed in, or the command line
    std::optional<access::Role> role;

    // Over HTTP.
    static Caller of(const std::optional<access::Identity>& who, std::string address) {
        return {who ? who->user : "-", std::move(address), who, access::role_of(who)};
    }

    // Who may use the home's files may do everything.
    static Caller command_line(std::string name = "command line") {
        return {std::move(name), "local", std::nullopt, access::Role::Admin};
    }

    // As agents name it; "" for none.
    [[nodiscard]] std::string actor() const { return who ? who->actor() : std::string(); }
};

// Who an error comes from.
enum class From : std::uint8_t { Controller, Agent };

template <class T>
struct Answer {
    Result<T> result;
    From from = From::Controller;
};

template <class T>
using Done = std::function<void(Answer<T> answer)>;

// What the audit log is told of a change. `verb`: "" for that of the use case.
struct Note {
    std::string target;
    std::string result;
    std::string verb = {};
};

// How a change went. There is none without its note, but one that was not begun.
template <class T>
class Changed {
public:
    static Changed begun(Answer<T> answer, Note note) {
        return Changed(std::move(answer), std::move(note));
    }

    // What was asked makes no sense, or is turned away unseen: nothing is written.
    static Changed not_begun(Error why) {
        return Changed({fail(std::move(why)), From::Controller}, std::nullopt);
    }

    // It is so already.
    static Changed nothing_to_do(Answer<T> answer) {
        return Changed(std::move(answer), std::nullopt);
    }

    Answer<T> answer;
    std::optional<Note> note;

private:
    Changed(Answer<T> answer_in, std::optional<Note> note_in)
        : answer(std::move(answer_in)), note(std::move(note_in)) {}
};

template <class T>
using Finish = std::function<void(Changed<T> changed)>;

}  // namespace berth::service
