#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent/relay/broker/verbs/verbs.h"
#include "shared/wire/cursor.h"
#include "shared/wire/value.h"

// A broker's parts without threads, sockets and disk: connections that collect what they are sent,
// and a writer of batches that is done when the test says so.
namespace berth::relay {

struct FakeWriter : BatchWriter {
    explicit FakeWriter(std::vector<std::unique_ptr<Batch>>& batches_in) : batches(batches_in) {}

    void submit(std::unique_ptr<Batch> batch) override { batches.push_back(std::move(batch)); }

    std::vector<std::unique_ptr<Batch>>& batches;
};

struct FakeLink : Link {
    void send(std::span<const std::string_view> parts) override {
        messages.emplace_back(parts.begin(), parts.end());
    }

    [[nodiscard]] std::size_t backlog() const override { return unread; }

    void authenticated() override {}

    void close() override { closed = true; }

    // The code of the answer to request `id`, if there is one.
    [[nodiscard]] std::optional<Code> code_of(std::uint64_t id) const {
        for (const auto& message : messages) {
            const auto header = wire::decode(message[0]);
            if (header && header->at(1).as_uint() == id) {
                return static_cast<Code>(header->at(2).as_uint());
            }
        }
        return std::nullopt;
    }

    // The payloads that were pushed, as they came.
    [[nodiscard]] std::vector<std::string> pushed() const {
        std::vector<std::string> payloads;
        for (const auto& message : messages) {
            const auto header = wire::decode(message[0]);
            if (header && header->at(1).as_uint() == 0 && message.size() == 2) {
                payloads.push_back(message[1]);
            }
        }
        return payloads;
    }

    std::vector<std::vector<std::string>> messages;
    std::size_t unread = 0;
    bool closed = false;
};

struct Bench {
    explicit Bench(RelayLimits limits = {}) : parts(*loop, options(limits)) {
        parts.turn.begin(std::make_unique<FakeWriter>(batches));
        (void)parts.turn.take_ids(0);
        end_turn();
        written();
    }

    static BrokerOptions options(const RelayLimits& limits) {
        BrokerOptions options;
        options.limits = limits;
        options.port.agent = "here";
        options.port.version = "1";
        options.secret_of = [](const std::string&) -> Result<std::string> { return "secret"; };
        return options;
    }

    // An app that has said hello.
    Session& join(FakeLink& link, std::string_view app, bool subscribe = true) {
        Session& session = parts.sessions.add(link);
        RequestHeader hello;
        hello.id = 1;
        hello.args.app = app;
        hello.args.secret = "secret";
        hello.args.subscribe = subscribe;
        verbs::hello(parts, session, hello, {});
        return session;
    }

    // Gives the id of the request.
    std::uint64_t say(Session& session,
                      Verb verb,
                      const Args& args,
                      const std::vector<std::string_view>& payload = {}) {
        RequestHeader request;
        request.id = ++last_request;
        request.verb = verb;
        request.args = args;
        verbs::handler_of(verb)(parts, session, request, payload);
        return request.id;
    }

    std::uint64_t notify(Session& from, std::string_view to, std::string_view payload) {
        Args args;
        args.to = to;
        return say(from, Verb::Notify, args, {payload});
    }

    void end_turn() {
        (void)parts.exchange.end_turn();
        (void)parts.delivery.give_out_touched();
        parts.turn.end_turn();
    }

    // The disk is done with the oldest batch. False: it has none.
    bool written(const Result<void>& result = {}) {
        if (batches.empty()) {
            return false;
        }
        const std::unique_ptr<Batch> batch = std::move(batches.front());
        batches.erase(batches.begin());
        parts.turn.written(result, *batch);
        return true;
    }

    std::unique_ptr<loop::EventLoop> loop = std::move(*loop::EventLoop::create());
    std::vector<std::unique_ptr<Batch>> batches;  // that the disk has not done yet
    BrokerParts parts;
    std::uint64_t last_request = 100;
};

}  // namespace berth::relay
