#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/keeper/handover.h"
#include "agent/keeper/log_writer.h"
#include "agent/keeper/records.h"
#include "agent/keeper/run_context.h"
#include "agent/keeper/spawn.h"
#include "agent/keeper/stream_pump.h"
#include "agent/keeperlink/messages.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// What a run reads and writes: its input, its output by FIFOs or a terminal, and the log that this
// goes to. Owned by the Run, in the keeper's thread. The FIFOs have names, so that the next keeper
// finds them again; a terminal lives as long as its keeper. After close() nothing is held.
class RunStreams {
public:
    RunStreams(RunContext& context, Record& record) : context_(context), record_(record) {}

    // The log, and FIFOs or a terminal as the record says.
    Result<void> open();

    // Those that an earlier keeper has left when it was killed: reads them on.
    Result<void> reopen();

    // Those of the keeper that this process was before an upgrade. Without a log what it writes is
    // lost, which is said.
    void resume(const RunHandover& from);
    void hand_over(RunHandover& to) const;

    // Begins to read, from the loop.
    void watch();

    // Everything that was written goes to the log.
    void drain();

    // The same, and all is closed.
    void close();

    // Takes what there is room for; InputRoom follows an answer that says Full.
    keeperlink::InputTaken input(const keeperlink::Input& input);
    void resize(std::uint32_t rows, std::uint32_t columns) const;

    // What the child opens.
    [[nodiscard]] SpawnPaths paths() const;

private:
    [[nodiscard]] keeperlink::RunName name() const { return {record_.id, record_.generation}; }

    [[nodiscard]] std::string fifo(const char* which) const;
    Result<void> open_log();
    Result<void> open_fifos(bool make);
    Result<void> open_terminal();
    [[nodiscard]] std::unique_ptr<StreamPump> make_pump(os::UniqueFd fd, Stream stream);
    void log_output(Stream stream, std::string_view bytes);
    void tell_of_log();
    void look_after_log();
    void close_log();
    void flush_input();
    [[nodiscard]] int input_fd() const;

    RunContext& context_;
    Record& record_;
    std::optional<LogWriter> log_;
    loop::Registration log_look_;  // after the last output
    std::string terminal_path_;
    std::unique_ptr<StreamPump> output_;  // or the terminal's master
    std::unique_ptr<StreamPump> error_;   // none with a terminal
    os::UniqueFd input_;
    os::UniqueFd input_dup_;
    loop::Registration input_watch_;
    std::string pending_input_;
    bool input_refused_ = false;  // there was no room for some; it is told when there is
};

}  // namespace berth::keeper
