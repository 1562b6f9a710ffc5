#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/keeperlink/link.h"
#include "agent/keeperlink/messages.h"
#include "shared/loop/event_loop.h"
#include "shared/os/unique_fd.h"
#include "tests/unit/temp_folder.h"

namespace berth::test {

// A home with the real berth-keeper in it, and this process as its agent. What the keeper says is
// collected in `heard`. Waiting is always for a condition, with a deadline that fails the test.
class KeeperBed {
public:
    enum class Trees { Cgroup, Walk };

    explicit KeeperBed(Trees trees);
    ~KeeperBed();
    KeeperBed(const KeeperBed&) = delete;
    KeeperBed& operator=(const KeeperBed&) = delete;

    // Starts a keeper for the home and waits for its snapshot, which is in `heard`.
    void start_keeper();

    // kill -9, and waits until it is reaped.
    void kill_keeper();

    void hang_up() { link_.reset(); }

    void send(const keeperlink::Message& message) { link_->send(message); }

    // A Start of the helper with these words.
    [[nodiscard]] keeperlink::Start app(const std::string& id,
                                        const std::vector<std::string>& words,
                                        std::uint64_t generation = 1) const;

    // Runs the loop until `holds`; fails the test when it does not in time.
    void until(const std::string& what, const std::function<bool()>& holds);

    // Waits for the next message of type T about this run that has not been waited for.
    template <class T>
    T expect(const std::string& id, std::uint64_t generation = 1) {
        std::optional<T> found;
        until("a message about " + id, [&] {
            for (std::size_t i = 0; i < heard.size() && !found; ++i) {
                const T* const message = std::get_if<T>(&heard[i]);
                if (message != nullptr && message->run.id == id &&
                    message->run.generation == generation) {
                    found = *message;
                    heard.erase(heard.begin() + static_cast<std::ptrdiff_t>(i));
                }
            }
            return found.has_value();
        });
        return *found;
    }

    // Whether such a message has come already.
    template <class T>
    [[nodiscard]] bool has(const std::string& id) const {
        for (const auto& message : heard) {
            const T* const known = std::get_if<T>(&message);
            if (known != nullptr && known->run.id == id) {
                return true;
            }
        }
        return false;
    }

    // The keeper has dealt with all that was sent before: it answers a Start that it knows.
    keeperlink::RunFact ask(const std::string& id, std::uint64_t generation = 1);

    // All of the app's log, partial lines put together; streams mixed.
    [[nodiscard]] std::vector<std::string> log(const std::string& id) const;
    void until_logged(const std::string& id, const std::string& line);

    // Waits until the file has so many lines and gives them.
    std::vector<std::string> journal(const std::string& name, std::size_t lines);
    [[nodiscard]] std::vector<std::string> journal_now(const std::string& name) const;

    // "name pid" lines of a tree's journal, as pids by name.
    std::map<std::string, pid_t> members(const std::string& name, std::size_t count);

    [[nodiscard]] std::size_t keeper_descriptors() const;

    TempFolder home;
    std::vector<keeperlink::Message> heard;
    pid_t keeper = 0;
    std::string cgroup;  // as the keeper said

private:
    void reap();

    Trees trees_;
    std::unique_ptr<loop::EventLoop> loop_;
    std::unique_ptr<keeperlink::Link> link_;
};

// Neither there nor a zombie.
bool is_gone(pid_t pid);

// The helper program, beside this one.
std::string helper();

}  // namespace berth::test
