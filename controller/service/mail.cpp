#include "controller/service/mail.h"

#include <algorithm>

#include "controller/service/use_cases.h"

namespace berth::service {

namespace {

using wire::Value;

constexpr Duration kDeadline = std::chrono::seconds(10);
constexpr std::size_t kLongestType = 256;  // of an event, in the audit log

// A request that reads.
void look(const Runner& runner,
          const AgentRequests& agents,
          const Caller& caller,
          const std::string& agent,
          const std::string& verb,
          const Value::Map& args,
          const Done<Value>& done) {
    runner.read<Value>(kShowMail, caller, done, [&](const Done<Value>& give) {
        agents.ask(agent, verb, args, kDeadline, [give](const Result<Value>& answer) {
            give({answer, From::Agent});
        });
    });
}

struct Change {
    std::string agent;
    std::string verb;  // for the agent; "message": for its relay
    Value::Map args;
    Note note;
};

// What a `message` request got from the relay; its code as our error.
Result<Value> relayed(const Value& reply) {
    const auto code = static_cast<wire::Code>(reply["code"].as_uint());
    if (code != wire::Code::Ok) {
        return fail(wire::error_code_of(code), reply["info"]["error"].as_string());
    }
    return reply["info"];
}

// Asks the agent, and gives what `take` makes of the answer.
template <class T>
void change(const Runner& runner,
            const AgentRequests& agents,
            const UseCase& use_case,
            const Caller& caller,
            const Change& change,
            const Done<T>& done,
            std::function<T(const Value& info)> take) {
    runner.change<T>(use_case, caller, done, [&](const Finish<T>& finish) {
        agents.ask(change.agent,
                   change.verb,
                   change.args,
                   kDeadline,
                   [finish, change, take = std::move(take)](const Result<Value>& answer) {
                       Result<Value> info = answer;
                       if (answer && change.verb == "message") {
                           info = relayed(*answer);
                       }
                       Note note = change.note;
                       note.result = info ? "done" : change_failed(info.error());
                       if (info) {
                           finish(Changed<T>::begun({take(*info)}, note));
                       } else if (answer) {
                           finish(Changed<T>::begun({fail(info.error())}, note));
                       } else {
                           finish(Changed<T>::begun(
                               {fail(change_error(answer.error())), From::Agent}, note));
                       }
                   });
    });
}

}  // namespace

void Mail::mailboxes(const Caller& caller,
                     const std::string& agent,
                     const Done<Value>& done) const {
    look(runner_, agents_, caller, agent, "mailboxes", {}, done);
}

void Mail::trace(const Caller& caller,
                 const std::string& agent,
                 const std::string& app,
                 const MailQuery& query,
                 const Done<Value>& done) const {
    look(runner_,
         agents_,
         caller,
         agent,
         "trace",
         {{"id", app}, {"max", query.limit}, {"after", query.after}},
         done);
}

void Mail::messages(const Caller& caller,
                    const AppAddress& app,
                    const MailQuery& query,
                    const Done<Value>& done) const {
    look(runner_,
         agents_,
         caller,
         app.agent,
         "messages",
         {{"id", app.id},
          {"max", query.limit},
          {"after", query.after},
          {"full", query.full},
          {"dead", query.dead}},
         done);
}

void Mail::clear(const Caller& caller,
                 const AppAddress& app,
                 bool dead,
                 const Done<std::uint64_t>& done) const {
    change<std::uint64_t>(runner_,
                          agents_,
                          kClearMailbox,
                          caller,
                          {app.agent,
                           "message",
                           {{"verb", dead ? "drop" : "clear"}, {"app", app.id}},
                           {app.key(), "", dead ? "drop_dead_letters" : ""}},
                          done,
                          [](const Value& info) { return info["removed"].as_uint(); });
}

void Mail::remove(const Caller& caller,
                  const AppAddress& app,
                  std::uint64_t message,
                  const Done<std::monostate>& done) const {
    change<std::monostate>(runner_,
                           agents_,
                           kRemoveMessage,
                           caller,
                           {app.agent,
                            "remove_message",
                            {{"id", app.id}, {"message", message}},
                            {app.key() + " " + std::to_string(message), ""}},
                           done,
                           [](const Value& /*info*/) { return std::monostate(); });
}

void Mail::resend(const Caller& caller,
                  const AppAddress& app,
                  std::optional<std::uint64_t> message,
                  const Done<std::uint64_t>& done) const {
    Value::Map args;
    std::string target = app.key();
    if (message) {
        args.emplace_back("ids", Value::Array{*message});
        target += " " + std::to_string(*message);
    }
    change<std::uint64_t>(
        runner_,
        agents_,
        kResendMessages,
        caller,
        {app.agent, "message", {{"verb", "resend"}, {"app", app.id}, {"args", args}}, {target, ""}},
        done,
        [](const Value& info) { return info["resent"].as_uint(); });
}

void Mail::send(const Caller& caller,
                const AppAddress& app,
                const NewMessage& message,
                const Done<SentMessage>& done) const {
    Value::Map args = {{"to", app.id}, {"durable", message.durable}};
    if (message.ttl_ms) {
        args.emplace_back("ttl_ms", *message.ttl_ms);
    }
    change<SentMessage>(
        runner_,
        agents_,
        kSendMessage,
        caller,
        {app.agent,
         "message",
         {{"verb", "notify"},
          {"app", ""},
          {"args", Value(args)},
          {"payload", wire::strings({message.payload})}},
         {app.key(), ""}},
        done,
        [](const Value& info) {
            return SentMessage{info["ids"].at(0).as_uint(), info["known"].as_bool()};
        });
}

void Mail::raise(const Caller& caller,
                 const std::string& agent,
                 const NewEvent& event,
                 const Done<std::uint64_t>& done) const {
    std::vector<std::string> frames;
    if (event.payload) {
        frames.push_back(*event.payload);
    }
    change<std::uint64_t>(runner_,
                          agents_,
                          kRaiseEvent,
                          caller,
                          {agent,
                           "message",
                           {{"verb", "raise"},
                            {"app", ""},
                            {"args", Value::Map{{"type", event.type}}},
                            {"payload", wire::strings(frames)}},
                           {agent + " " + shortened(event.type, kLongestType), ""}},
                          done,
                          [](const Value& info) { return info["seq"].as_uint(); });
}

}  // namespace berth::service
