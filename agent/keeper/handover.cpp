#include "agent/keeper/handover.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "agent/keeperlink/packet.h"
#include "shared/os/fd.h"
#include "shared/os/os_error.h"

namespace berth::keeper {

using keeperlink::PacketReader;
using keeperlink::PacketWriter;

namespace {

constexpr std::uint32_t kMaxParts = 1U << 16U;

void write_loss(PacketWriter& out, const LogLoss& loss) {
    out.u64(loss.bytes);
    out.u64(loss.lines);
    out.i32(loss.os_errno);
}

LogLoss read_loss(PacketReader& in) {
    LogLoss loss;
    loss.bytes = in.u64();
    loss.lines = in.u64();
    loss.os_errno = in.i32();
    return loss;
}

std::string encode_run(const RunHandover& run) {
    PacketWriter out;
    out.text(run.id);
    out.u64(run.generation);
    for (const std::int32_t fd : {run.output, run.error, run.input, run.gate}) {
        out.i32(fd);
    }
    out.u8(run.adopted ? 1 : 0);
    out.u8(run.killing ? 1 : 0);
    out.u8(run.forget_when_gone ? 1 : 0);
    out.text(run.pending_input);
    write_loss(out, run.loss);
    return out.take();
}

RunHandover decode_run(std::string_view part) {
    PacketReader in(part);
    RunHandover run;
    run.id = in.text();
    run.generation = in.u64();
    for (std::int32_t* const fd : {&run.output, &run.error, &run.input, &run.gate}) {
        *fd = in.i32();
    }
    run.adopted = in.u8() != 0;
    run.killing = in.u8() != 0;
    run.forget_when_gone = in.u8() != 0;
    run.pending_input = in.text();
    run.loss = read_loss(in);
    return run;
}

template <class F>
void each_descriptor(const Handover& handover, F&& call) {
    call(handover.lock);
    for (const RunHandover& run : handover.runs) {
        for (const std::int32_t fd : {run.output, run.error, run.input, run.gate}) {
            call(fd);
        }
    }
}

void set_flags(const Handover& handover, int flags) {
    each_descriptor(handover, [flags](int fd) {
        if (fd >= 0) {
            (void)::fcntl(fd, F_SETFD, flags);  // fails on a closed descriptor, which is of no use
        }
    });
}

}  // namespace

std::string encode(const Handover& handover) {
    PacketWriter out;
    out.u32(kHandoverVersion);
    out.i32(handover.lock);
    out.u64(handover.nofile.rlim_cur);
    out.u64(handover.nofile.rlim_max);
    out.u8(handover.terminating ? 1 : 0);
    out.u8(handover.version_tried ? 1 : 0);
    out.u32(static_cast<std::uint32_t>(handover.runs.size()));
    for (const RunHandover& run : handover.runs) {
        out.text(encode_run(run));
    }
    out.u32(static_cast<std::uint32_t>(handover.losses.size()));
    for (const Handover::Loss& lost : handover.losses) {
        PacketWriter part;
        part.text(lost.id);
        write_loss(part, lost.loss);
        out.text(part.take());
    }
    return out.take();
}

Result<Handover> decode_handover(std::string_view bytes) {
    PacketReader in(bytes);
    if (in.u32() != kHandoverVersion) {
        return fail(ErrorCode::InvalidArgument, "a handover of another version");
    }
    Handover handover;
    handover.lock = in.i32();
    handover.nofile.rlim_cur = in.u64();
    handover.nofile.rlim_max = in.u64();
    handover.terminating = in.u8() != 0;
    handover.version_tried = in.u8() != 0;
    for (std::uint32_t left = std::min(in.u32(), kMaxParts); left > 0; --left) {
        handover.runs.push_back(decode_run(in.text()));
    }
    for (std::uint32_t left = std::min(in.u32(), kMaxParts); left > 0; --left) {
        const std::string part = in.text();
        PacketReader fields(part);
        Handover::Loss lost;
        lost.id = fields.text();
        lost.loss = read_loss(fields);
        handover.losses.push_back(std::move(lost));
    }
    return handover;
}

Result<os::UniqueFd> hand_over(const Handover& handover) {
    os::UniqueFd memory(::memfd_create("berth-handover", 0));  // passed on at exec
    if (!memory.valid()) {
        return fail(os::last_error("memfd_create"));
    }
    const std::string bytes = encode(handover);
    for (std::size_t done = 0; done < bytes.size();) {
        const os::IoOutcome outcome =
            os::write_some(memory.get(), std::string_view(bytes).substr(done));
        if (outcome.status != os::IoStatus::Done) {
            return fail(os::error_of(outcome.os_errno, "write the handover"));
        }
        done += outcome.bytes;
    }
    set_flags(handover, 0);
    return memory;
}

void take_back(const Handover& handover) {
    set_flags(handover, FD_CLOEXEC);
}

Result<Handover> take_over(int memfd) {
    const os::UniqueFd memory = os::take_inherited(memfd);

    struct stat info {};

    if (::fstat(memory.get(), &info) != 0) {
        return fail(os::last_error("handover"));
    }
    std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
    if (::pread(memory.get(), bytes.data(), bytes.size(), 0) !=
        static_cast<ssize_t>(bytes.size())) {
        return fail(ErrorCode::Io, "the handover cannot be read");
    }
    BERTH_TRY(Handover handover, decode_handover(bytes));
    set_flags(handover, FD_CLOEXEC);
    return handover;
}

}  // namespace berth::keeper
