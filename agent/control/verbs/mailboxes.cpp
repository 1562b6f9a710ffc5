#include "agent/control/replies.h"
#include "agent/control/verbs/verbs.h"
#include "agent/relay/protocol/payload_preview.h"
#include "shared/wire/status.h"

namespace berth::control::verbs {

using wire::Value;

namespace {

constexpr std::uint64_t kMostMessages = 1000;
constexpr std::size_t kMostDecoded = 4U << 20U;  // a larger payload is not decoded for display
constexpr std::size_t kMostLooked = 16U << 20U;  // payload bytes that one request decodes
constexpr std::size_t kMostShown = 4U << 20U;    // bytes of one answer

// When it expires, Unix time; nothing: it does not.
std::optional<std::uint64_t> expires_ms(const relay::Message& message, const Now& now) {
    if (message.expires == MonoTime::max()) {
        return std::nullopt;
    }
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max<Duration>(message.expires - now.mono, Duration(0)));
    return static_cast<std::uint64_t>((now.wall.time_since_epoch() + left) /
                                      std::chrono::milliseconds(1));
}

Value message_value(const relay::Message& message, const relay::Preview& shown, const Now& now) {
    return Value::Map{{"id", message.id},
                      {"from", *message.from},
                      {"time_ms", message.time_ms},
                      {"attempt", message.attempt},
                      {"held", message.holder != 0},
                      {"durable", message.durable},
                      {"request", message.correlation != 0},
                      {"expires_ms", Value(expires_ms(message, now))},
                      {"dead_ms", message.dead_ms == 0 ? Value() : Value(message.dead_ms)},
                      {"bytes", std::uint64_t{message.payload->size()}},
                      {"shown", shown.json},
                      {"whole", shown.whole}};
}

relay::Preview shown_of(const std::string& payload, bool full) {
    if (payload.size() > kMostDecoded) {
        return {"{\"bytes\":" + std::to_string(payload.size()) + "}", false};
    }
    return relay::preview_payload(payload, full ? relay::kFullPreview : relay::PreviewLimits());
}

Value time_or_nil(WallTime time) {
    return time == WallTime() ? Value() : wire::to_value(time);
}

Value entry_value(const relay::TraceEntry& entry) {
    return Value::Map{{"id", entry.id},
                      {"kind", relay::kTraceKindNames.name(entry.kind)},
                      {"from", *entry.from},
                      {"to", *entry.to},
                      {"bytes", entry.size},
                      {"outcome", relay::kTraceOutcomeNames.name(entry.outcome)},
                      {"attempts", entry.attempts},
                      {"accepted", wire::to_value(entry.accepted)},
                      {"stored", time_or_nil(entry.stored)},
                      {"given", time_or_nil(entry.given)},
                      {"ended", time_or_nil(entry.ended)}};
}

}  // namespace

void mailboxes(Context& context,
               const Client& client,
               const wire::Request& request,
               const wire::NoArguments& /*args*/) {
    context.relay.mailboxes(
        [&context, client, request](const std::vector<relay::MailboxStats>& all) {
            std::map<std::string, Value> sorted;  // the relay keeps them in no order
            for (const relay::MailboxStats& mailbox : all) {
                if (mailbox.app.empty()) {
                    continue;  // the operator's own
                }
                Value::Map shown =
                    wire::to_value(relay::status_of(mailbox, context.loop.now().mono)).as_map();
                shown.emplace_back("app", mailbox.app);
                shown.emplace_back("known", context.apps.find(mailbox.app) != nullptr);
                shown.emplace_back("sessions", std::uint64_t{mailbox.sessions});
                sorted.emplace(mailbox.app, std::move(shown));
            }
            Value::Array mailboxes;
            for (auto& [app, shown] : sorted) {
                mailboxes.push_back(std::move(shown));
            }
            ok(client, request, Value::Map{{"mailboxes", std::move(mailboxes)}});
        });
}

void messages(Context& context,
              const Client& client,
              const wire::Request& request,
              const wire::MessagesRequest& args) {
    const std::string id = args.id;
    const std::uint64_t max = std::min(args.max, kMostMessages);
    const std::uint64_t after = args.after;
    const bool dead = args.dead;
    const auto show = [&context, client, request, id, max, full = args.full](
                          const std::vector<relay::Message>& found) {
        Value::Array messages;
        std::size_t looked = 0;
        std::size_t size = 0;
        for (const relay::Message& message : found) {
            if (messages.size() == max || looked > kMostLooked || size > kMostShown) {
                break;
            }
            const relay::Preview shown = shown_of(*message.payload, full);
            looked += std::min(message.payload->size(), kMostDecoded);
            size += shown.json.size();
            messages.push_back(message_value(message, shown, context.loop.now()));
        }
        const bool more = messages.size() < found.size();
        const auto mailbox = context.relay.mailbox(id);
        ok(client,
           request,
           Value::Map{{"messages", std::move(messages)},
                      {"more", more},
                      {"mailbox", mailbox ? wire::to_value(*mailbox) : Value()}});
    };
    if (dead) {
        return context.relay.dead_letters(id, max + 1, after, show);
    }
    context.relay.peek(id, max + 1, after, show);
}

void remove_message(Context& context,
                    const Client& client,
                    const wire::Request& request,
                    const wire::RemoveMessageRequest& args) {
    context.relay.remove_message(
        args.id, args.message, [client, request](const Result<void>& removed) {
            if (!removed) {
                return refuse(client, request, removed.error());
            }
            ok(client, request);
        });
}

void trace(Context& context,
           const Client& client,
           const wire::Request& request,
           const wire::TraceRequest& args) {
    const std::string id = args.id;
    const std::uint64_t max = args.max.value_or(relay::Trace::kEntries);
    const std::uint64_t after = args.after;
    context.relay.trace(id, max, after, [client, request](const relay::TraceSlice& seen) {
        Value::Array entries;
        for (const relay::TraceEntry& entry : seen.entries) {
            entries.push_back(entry_value(entry));
        }
        ok(client, request, Value::Map{{"entries", std::move(entries)}, {"change", seen.change}});
    });
}

}  // namespace berth::control::verbs
