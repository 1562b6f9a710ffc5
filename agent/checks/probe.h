#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/checks/resolver.h"
#include "shared/loop/event_loop.h"
#include "shared/time/clock.h"

namespace berth::checks {

enum class Verdict : std::uint8_t {
    Good,
    Bad,
    Unknown,  // it could not be asked: the keeper was away, there was no descriptor to ask with
};

// What one try saw. `text` names what was asked and what came of it: "tcp 127.0.0.1:5432:
// connection refused".
struct ProbeResult {
    Verdict verdict = Verdict::Bad;
    std::string text;
};

using ProbeDone = std::function<void(const ProbeResult&)>;

// A try under way; destroying it gives it up. `done` is called once, from the loop.
class Probe {
public:
    Probe() = default;
    virtual ~Probe() = default;
    Probe(const Probe&) = delete;
    Probe& operator=(const Probe&) = delete;
};

struct ProbeContext {
    loop::EventLoop& loop;
    Resolver& resolver;
};

// Good: a connection can be made. `address` is HOST:PORT, or :PORT for this machine, which is
// 127.0.0.1 or ::1, as is localhost.
std::unique_ptr<Probe> probe_tcp(ProbeContext context,
                                 const std::string& address,
                                 Duration timeout,
                                 ProbeDone done);

// Good: a GET is answered with a status from 200 to 399, after any number of answers 1xx. The body
// is not read.
std::unique_ptr<Probe> probe_http(ProbeContext context,
                                  const std::string& url,
                                  Duration timeout,
                                  ProbeDone done);

}  // namespace berth::checks
