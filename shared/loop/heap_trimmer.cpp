#include "shared/loop/heap_trimmer.h"

#include <malloc.h>

namespace berth::loop {

void HeapTrimmer::worked(std::size_t pieces) {
    done_ += pieces;
    if (done_ >= burst_ && !timer_.active()) {
        timer_ = loop_.after(pause_, [this] { trim(); });
    }
}

void HeapTrimmer::trim() {
    done_ = 0;
    timer_.reset();
    (void)::malloc_trim(0);  // that there was nothing to give back is fine
}

}  // namespace berth::loop
