#include "agent/keeper/upgrade.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <utility>

#include "agent/keeper/handover.h"
#include "agent/keeper/records.h"
#include "shared/base/text.h"
#include "shared/log/log.h"
#include "shared/os/file.h"
#include "shared/os/os_error.h"
#include "shared/os/process.h"

namespace berth::keeper {

namespace {

constexpr Duration kPatience = std::chrono::seconds(10);

}  // namespace

void Upgrade::begin(const std::string& program, Answered answered) {
    if (pid_ != 0 || agreed_) {
        return answered("another upgrade is being tried");
    }
    program_ = program;
    answered_ = std::move(answered);
    os::HelperSpec spec;
    spec.argv = {program,
                 "--check",
                 "--home",
                 home_,
                 "--handover-version",
                 std::to_string(kHandoverVersion),
                 "--records-version",
                 std::to_string(kRecordsVersion)};
    spec.output = output_;
    (void)::unlink(spec.output.c_str());  // of an earlier one
    const auto pid = os::start_helper(spec);
    if (!pid) {
        return answer(pid.error().message);
    }
    pid_ = *pid;
    deadline_ = loop_.after(kPatience, [this] {
        (void)os::send_signal_to(pid_, SIGKILL);  // its end is told as every other's
    });
}

bool Upgrade::ended(pid_t pid, int wait_status) {
    if (pid_ == 0 || pid != pid_) {
        return false;
    }
    pid_ = 0;
    deadline_.reset();
    if (WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0) {
        answer({});
        return true;
    }
    const auto output = os::read_file(output_);
    const std::string said(output ? trim(*output) : "");
    answer(!said.empty() ? "the new keeper refuses: " + said
           : WIFEXITED(wait_status)
               ? "the new keeper's check exited " + std::to_string(WEXITSTATUS(wait_status))
               : "the new keeper's check was killed by signal " +
                     std::to_string(WTERMSIG(wait_status)));
    return true;
}

void Upgrade::answer(const std::string& refusal) {
    agreed_ = refusal.empty();
    if (!agreed_) {
        log::warning("no upgrade", {{"program", program_}, {"why", refusal}});
    }
    const Answered call = std::exchange(answered_, nullptr);
    call(refusal);
}

void Upgrade::become(const Handover& handover, const std::vector<std::string>& arguments) {
    agreed_ = false;
    const auto memory = hand_over(handover);
    if (memory) {
        std::vector<std::string> words = {
            program_, "--home", home_, "--handover", std::to_string(memory->get())};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words) {
            argv.push_back(word.data());
        }
        argv.push_back(nullptr);
        log::info("becoming the next keeper", {{"program", program_}});
        (void)::execv(program_.c_str(), argv.data());
    }
    take_back(handover);
    log::error("cannot become the next keeper, going on as this one", {{"program", program_}});
}

int check_upgrade(const std::string& home,
                  const std::string& agent,
                  std::uint32_t handover_version,
                  std::uint32_t records_version) {
    const auto refuse = [](const std::string& why) {
        (void)std::fprintf(stderr, "%s\n", why.c_str());
        return 1;
    };
    if (handover_version != kHandoverVersion) {
        return refuse("it takes over from keepers of handover version " +
                      std::to_string(kHandoverVersion) + ", not " +
                      std::to_string(handover_version));
    }
    if (records_version != kRecordsVersion) {
        return refuse("it reads records of version " + std::to_string(kRecordsVersion) + ", not " +
                      std::to_string(records_version));
    }
    if (auto readable = Records::check(home::places_of(home).at("keeper.records")); !readable) {
        return refuse(readable.error().message);
    }
    const char* const argv[] = {agent.c_str(), "--check", nullptr};
    (void)::execv(agent.c_str(), const_cast<char* const*>(argv));  // exec does not write to them
    return refuse(os::last_error("run " + agent).message);
}

}  // namespace berth::keeper
