#include "agent/keeperlink/messages.h"

#include "agent/keeperlink/packet.h"

namespace berth::keeperlink {

namespace {

// One list of fields per message, used in both directions: `fields(io, message)` visits them in
// wire order, and io is a Writing or a Reading.
struct Writing {
    PacketWriter out;

    void operator()(const bool& v) { out.u8(v ? 1 : 0); }

    void operator()(const std::uint32_t& v) { out.u32(v); }

    void operator()(const std::uint64_t& v) { out.u64(v); }

    void operator()(const std::int32_t& v) { out.i32(v); }

    void operator()(const std::int64_t& v) { out.i64(v); }

    void operator()(const std::string& v) { out.text(v); }

    void operator()(const std::vector<std::string>& v) { out.texts(v); }

    template <class E>
    void choice(const E& v, E /*last*/) {
        out.u8(static_cast<std::uint8_t>(v));
    }

    void operator()(const std::vector<ResourceLimit>& v) {
        out.u32(static_cast<std::uint32_t>(v.size()));
        for (const ResourceLimit& limit : v) {
            out.u32(limit.resource);
            out.u64(limit.value);
        }
    }
};

struct Reading {
    PacketReader in;
    bool in_range = true;

    void operator()(bool& v) {
        const std::uint8_t value = in.u8();
        in_range = in_range && value <= 1;
        v = value == 1;
    }

    void operator()(std::uint32_t& v) { v = in.u32(); }

    void operator()(std::uint64_t& v) { v = in.u64(); }

    void operator()(std::int32_t& v) { v = in.i32(); }

    void operator()(std::int64_t& v) { v = in.i64(); }

    void operator()(std::string& v) { v = in.text(); }

    void operator()(std::vector<std::string>& v) { v = in.texts(); }

    template <class E>
    void choice(E& v, E last) {
        const std::uint8_t value = in.u8();
        in_range = in_range && value <= static_cast<std::uint8_t>(last);
        v = static_cast<E>(value);
    }

    void operator()(std::vector<ResourceLimit>& v) {
        const std::uint32_t count = in.u32();
        if (count > 64) {
            in_range = false;
            return;
        }
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t resource = in.u32();
            v.push_back({resource, in.u64()});
        }
    }
};

template <class Io, class Run>
void run_name(Io& io, Run& run) {
    io(run.id);
    io(run.generation);
}

template <class M, class T>
constexpr bool kIs = std::is_same_v<std::remove_const_t<M>, T>;

template <class Io, class M>
void start_fields(Io& io, M& m) {
    run_name(io, m.run);
    io(m.argv);
    io(m.environment);
    io(m.cwd);
    io(m.has_umask);
    io(m.umask);
    io(m.nice);
    io(m.switch_user);
    io(m.uid);
    io(m.gid);
    io(m.groups);
    io(m.tty);
    io(m.limits);
    io(m.log_max_size);
    io(m.log_keep);
    io(m.pre_start);
    io(m.notify);
    io(m.log_max_total);
    io(m.memory_max);
    io(m.cpu_percent);
    io(m.pids_max);
}

template <class Io, class M>
void fact_fields(Io& io, M& m) {
    run_name(io, m.run);
    io.choice(m.phase, RunPhase::Failed);
    io(m.pid);
    io(m.started_ns);
    io(m.ended_ns);
    io(m.wait_status);
    io(m.status_known);
    io(m.tree_gone);
    io.choice(m.stage, StartStage::KeeperDied);
    io(m.os_errno);
    io(m.ready);
    io.choice(m.cause, EndCause::OverPids);
    io(m.cause_used);
}

template <class Io, class M>
void fields(Io& io, M& m) {
    if constexpr (kIs<M, Hello>) {
        io(m.version);
        io(m.pid);
    } else if constexpr (kIs<M, Start>) {
        start_fields(io, m);
    } else if constexpr (kIs<M, Signal>) {
        run_name(io, m.run);
        io(m.signal);
        io.choice(m.scope, SignalScope::Tree);
    } else if constexpr (kIs<M, Input>) {
        run_name(io, m.run);
        io(m.token);
        io(m.bytes);
    } else if constexpr (kIs<M, Resize>) {
        run_name(io, m.run);
        io(m.rows);
        io(m.columns);
    } else if constexpr (kIs<M, Forget> || kIs<M, TreeGone> || kIs<M, LogRotated> ||
                         kIs<M, InputRoom>) {
        run_name(io, m.run);
    } else if constexpr (kIs<M, LogTaken>) {
        run_name(io, m.run);
        io(m.trouble);
    } else if constexpr (kIs<M, Ping> || kIs<M, Pong>) {
        io(m.token);
    } else if constexpr (kIs<M, Leave>) {
        io(m.end);
    } else if constexpr (kIs<M, Started>) {
        run_name(io, m.run);
        io(m.pid);
        io(m.wall_ns);
    } else if constexpr (kIs<M, StartFailed>) {
        run_name(io, m.run);
        io.choice(m.stage, StartStage::KeeperDied);
        io(m.os_errno);
    } else if constexpr (kIs<M, Exited>) {
        run_name(io, m.run);
        io(m.wait_status);
        io(m.status_known);
        io(m.wall_ns);
        io(m.tree_gone);
        io.choice(m.cause, EndCause::OverPids);
        io(m.cause_used);
    } else if constexpr (kIs<M, InputTaken>) {
        run_name(io, m.run);
        io(m.token);
        io(m.taken);
        io.choice(m.end, InputEnd::None);
        io(m.why);
    } else if constexpr (kIs<M, Upgrade>) {
        io(m.folder);
    } else if constexpr (kIs<M, UpgradeAnswer>) {
        io(m.refusal);
    } else if constexpr (kIs<M, RunFact>) {
        fact_fields(io, m);
    } else if constexpr (kIs<M, Exec>) {
        io(m.token);
        start_fields(io, m.start);
        io(m.timeout_ms);
    } else if constexpr (kIs<M, ExecDone>) {
        io(m.token);
        io.choice(m.end, ExecEnd::NoRun);
        io(m.wait_status);
        io(m.os_errno);
        io(m.output);
    } else if constexpr (kIs<M, Notified>) {
        run_name(io, m.run);
        io(m.ready);
        io(m.watchdog);
        io(m.watchdog_failed);
        io(m.stopping);
        io(m.extend_usec);
        io(m.status);
    } else {
        static_assert(kIs<M, SnapshotEnd>, "every message has its fields here");
        io(m.runs);
        io(m.cgroup);
        io(m.controllers);
    }
}

// The message with index `kind` of the variant, read from `in`.
template <std::size_t I = 0>
Result<Message> decode_kind(std::size_t kind, std::string_view body) {
    if constexpr (I < std::variant_size_v<Message>) {
        if (kind != I) {
            return decode_kind<I + 1>(kind, body);
        }
        std::variant_alternative_t<I, Message> message;
        Reading io{PacketReader(body)};
        fields(io, message);
        if (!io.in.complete() || !io.in_range) {
            return fail(ErrorCode::InvalidArgument,
                        "keeper link: a frame of kind " + std::to_string(kind) + " is malformed");
        }
        return Message(std::move(message));
    } else {
        return fail(ErrorCode::InvalidArgument,
                    "keeper link: no frame has kind " + std::to_string(kind));
    }
}

}  // namespace

const char* stage_text(StartStage stage) {
    switch (stage) {
        case StartStage::Prepare:
            return "preparing its pipes and log";
        case StartStage::Fork:
            return "making the process";
        case StartStage::Session:
            return "making the session";
        case StartStage::Terminal:
            return "opening the terminal";
        case StartStage::Limits:
            return "setting limits";
        case StartStage::User:
            return "switching the user";
        case StartStage::Folder:
            return "changing to its folder";
        case StartStage::Exec:
            return "running the command";
        case StartStage::PreStart:
            return "hooks.pre_start";
        case StartStage::KeeperDied:
            break;
    }
    return "the keeper was killed while starting it";
}

std::string encode(const Message& message) {
    Writing body;
    body.out.u8(static_cast<std::uint8_t>(message.index()));
    std::visit([&body](const auto& m) { fields(body, m); }, message);
    PacketWriter frame;
    frame.text(body.out.take());  // a text is a length and its bytes
    return frame.take();
}

Result<Message> decode(std::string_view frame) {
    if (frame.empty()) {
        return fail(ErrorCode::InvalidArgument, "keeper link: an empty frame");
    }
    return decode_kind(static_cast<unsigned char>(frame.front()), frame.substr(1));
}

Result<std::optional<std::string_view>> FrameBuffer::next() {
    if (read_ > 0 && (read_ == bytes_.size() || read_ > (256U << 10U))) {
        bytes_.erase(0, read_);
        read_ = 0;
    }
    const std::string_view rest = std::string_view(bytes_).substr(read_);
    if (rest.size() < 4) {
        return std::optional<std::string_view>();
    }
    PacketReader length(rest.substr(0, 4));
    const std::uint32_t size = length.u32();
    if (size > kMaxFrame) {
        return fail(ErrorCode::TooLarge,
                    "keeper link: a frame of " + std::to_string(size) + " bytes");
    }
    if (rest.size() - 4 < size) {
        return std::optional<std::string_view>();
    }
    read_ += 4 + size;
    return std::optional<std::string_view>(rest.substr(4, size));
}

}  // namespace berth::keeperlink
