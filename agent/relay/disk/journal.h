#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/relay/disk/batch.h"
#include "shared/base/result.h"

namespace berth::relay {

// The relay's database, and the thread that writes it: a flush of the disk takes a millisecond, in
// which the relay goes on with what needs no disk and gathers the next batch. So one flush is
// shared by all who wait for one.
class Journal : public BatchWriter {
public:
    // Called in the journal's thread after each batch, in order. Error: nothing of it is stored.
    using Done = std::function<void(std::unique_ptr<Batch>, const Result<void>&)>;

    struct Options {
        std::string file;
        std::uint64_t max_bytes = 0;  // of the file; 0: as much as the disk has
        // The file is a copy: what it was to send to other agents is not ours, nor is the
        // numbering.
        bool begin_anew = false;
    };

    static Result<std::unique_ptr<Journal>> open(const Options& options, Stored& stored, Done done);

    // Writes what was submitted, then ends the thread.
    ~Journal() override;

    // From the relay's thread.
    void submit(std::unique_ptr<Batch> batch) override;

private:
    struct Impl;
    explicit Journal(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace berth::relay
