#include "agent/keeper/nursery.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "shared/base/ensure.h"
#include "shared/os/fd.h"

namespace berth::keeper {

namespace {

constexpr std::size_t kStack = 64U << 10U;  // run_child() needs a few KiB

}  // namespace

Result<Nursery> Nursery::create() {
    Nursery nursery;
    BERTH_TRY(nursery.nothing_, os::open_file("/dev/null", O_RDONLY));
    for (os::UniqueFd& number : nursery.numbers_) {
        BERTH_TRY(number, os::open_file("/dev/null", O_RDONLY));
    }
    nursery.stack_.resize(kStack);
    return nursery;
}

int Nursery::lend(int fd) {
    if (fd < 0) {
        return fd;
    }
    ENSURE(lent_ < kLent, "a child needs no more descriptors than that");
    const int number = numbers_[lent_++].get();
    const int lent = ::dup3(fd, number, O_CLOEXEC);
    ENSURE(lent == number, "an open descriptor can take an open number");
    return lent;
}

void Nursery::take_back() {
    while (lent_ > 0) {
        (void)::dup3(nothing_.get(), numbers_[--lent_].get(), O_CLOEXEC);  // as above
    }
}

int Nursery::first_not_needed() const {
    int highest = 0;
    for (const os::UniqueFd& number : numbers_) {
        highest = std::max(highest, number.get());
    }
    return highest + 1;
}

}  // namespace berth::keeper
