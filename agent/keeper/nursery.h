#pragma once

#include <array>
#include <string>

#include "shared/base/result.h"
#include "shared/os/unique_fd.h"

namespace berth::keeper {

// What children are made with, kept from one to the next: a stack to be on until exec, and low
// numbers for the descriptors that they need until then.
//
// A keeper of 1,000 apps has some 8,000 descriptors. A child that is given copies of them all, and
// closes them at exec, takes longer for that than for everything else; it copies only those below a
// number (CLOSE_RANGE_UNSHARE), so what it needs must be low.
class Nursery {
public:
    Nursery() = default;  // no stack: nobody can be made here

    // To be called early, while low numbers are free. Later ones work too, only slower.
    static Result<Nursery> create();

    [[nodiscard]] bool open() const { return !stack_.empty(); }

    [[nodiscard]] std::string& stack() { return stack_; }

    // A low number for `fd` (-1 stays -1) until take_back(). At most kLent at a time.
    int lend(int fd);
    void take_back();

    // Above all that are lent.
    [[nodiscard]] int first_not_needed() const;

private:
    static constexpr std::size_t kLent = 3;

    std::string stack_;
    os::UniqueFd nothing_;  // /dev/null, which the numbers stand for while they are not lent
    std::array<os::UniqueFd, kLent> numbers_;
    std::size_t lent_ = 0;
};

}  // namespace berth::keeper
