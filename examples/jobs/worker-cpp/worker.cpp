// A worker that polls: it takes one job at a time, says that it is at it, and acknowledges it.
#include <algorithm>
#include <cctype>
#include <iostream>
#include <thread>

#include <berth/ipc.hpp>

using namespace berth::ipc;

int main() {
    Client ipc;
    for (;;) {
        try {
            for (const Message& job : ipc.poll(std::chrono::seconds(60), 1)) {
                const std::string line = text(job.payload);
                if (line == "fail") {
                    std::cerr << "this job cannot be done" << std::endl;
                    ipc.release({job.id});  // it comes again, three times at most
                    continue;
                }
                for (int step = 0; step < 3; ++step) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(500));
                    ipc.working({job.id});
                }
                const auto letters = std::count_if(
                    line.begin(), line.end(), [](unsigned char c) { return std::isalpha(c) != 0; });
                // The key makes that the same result when the job comes again after a crash.
                NotifyOptions once;
                once.dedupe = "job-" + std::to_string(job.id);
                ipc.notify(
                    job.from, pack(line + ": " + std::to_string(letters) + " letters"), once);
                ipc.ack({job.id});
            }
        } catch (const Error& error) {
            // The agent is away: the next poll waits for it.
            std::cerr << error.what() << std::endl;
        }
    }
}
