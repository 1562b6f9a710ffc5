#include "agent/backend/native/inputs.h"

#include <vector>

namespace berth::native {

namespace {

constexpr std::size_t kMaxSendings = 256;  // each holds at most a megabyte

}  // namespace

void Inputs::send(const keeperlink::RunName& run,
                  std::string data,
                  Duration patience,
                  Answer answer) {
    if (sendings_.size() >= kMaxSendings) {
        return answer({0, Error{ErrorCode::Exhausted, "too much input waits", 0}});
    }
    const std::uint64_t token = next_++;
    Sending& sending = sendings_[token];
    sending.run = run;
    sending.rest = std::move(data);
    sending.answer = std::move(answer);
    if (patience > Duration::zero()) {
        sending.patient = true;
        sending.patience = loop_.after(patience, [this, token] { give_up(token); });
    }
    offer(token);
}

void Inputs::offer(std::uint64_t token) {
    Sending& sending = sendings_.at(token);
    sending.waits = false;
    keeper_.send(keeperlink::Input{sending.run, token, sending.rest});
}

void Inputs::on_taken(const keeperlink::InputTaken& taken) {
    const auto found = sendings_.find(taken.token);
    if (found == sendings_.end()) {
        return;  // its asker was told that time was up
    }
    Sending& sending = found->second;
    sending.taken += taken.taken;
    sending.rest.erase(0, taken.taken);
    sending.why = taken.why;
    switch (taken.end) {
        case keeperlink::InputEnd::Taken:
            return finish(taken.token, std::nullopt);
        case keeperlink::InputEnd::Full:
            if (!sending.patient) {
                return finish(taken.token, Error{ErrorCode::Exhausted, taken.why, 0});
            }
            sending.waits = true;
            return;
        case keeperlink::InputEnd::None:
            return finish(taken.token, Error{ErrorCode::WrongState, taken.why, 0});
    }
}

void Inputs::on_room(const keeperlink::RunName& run) {
    std::vector<std::uint64_t> tokens;
    for (const auto& [token, sending] : sendings_) {
        if (sending.waits && sending.run == run) {
            tokens.push_back(token);
        }
    }
    for (const std::uint64_t token : tokens) {
        offer(token);
    }
}

void Inputs::on_ended(const keeperlink::RunName& run) {
    std::vector<std::uint64_t> tokens;
    for (const auto& [token, sending] : sendings_) {
        if (sending.waits && sending.run == run) {
            tokens.push_back(token);
        }
    }
    for (const std::uint64_t token : tokens) {
        finish(token, Error{ErrorCode::WrongState, "it has ended", 0});
    }
}

void Inputs::on_lost() {
    while (!sendings_.empty()) {
        finish(sendings_.begin()->first,
               Error{ErrorCode::TimedOut, "the keeper died, what was taken is not known", 0});
    }
}

// One that the keeper has not answered yet may be taken still: that is said when it answers.
void Inputs::give_up(std::uint64_t token) {
    Sending& sending = sendings_.at(token);
    sending.patient = false;
    if (sending.waits) {
        finish(token, Error{ErrorCode::Exhausted, sending.why, 0});
    }
}

void Inputs::finish(std::uint64_t token, std::optional<Error> why) {
    const auto found = sendings_.find(token);
    const Sending sending = std::move(found->second);
    sendings_.erase(found);
    sending.answer({sending.taken, std::move(why)});
}

}  // namespace berth::native
