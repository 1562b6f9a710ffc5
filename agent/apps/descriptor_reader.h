#pragma once

#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/apps/load_plan.h"
#include "shared/config/descriptor.h"
#include "shared/loop/event_loop.h"
#include "shared/loop/worker_pool.h"

namespace berth::apps {

// Reads descriptors in the short lane of the pool, so that a file system that hangs holds up nobody
// but who asked; that is a problem of the file then. Each `done` is called once from the loop,
// unless the reader is destroyed before. Owned by the Catalog. Loop thread.
class DescriptorReader {
public:
    DescriptorReader(loop::EventLoop& loop, loop::WorkerPool& pool) : loop_(loop), pool_(pool) {}

    // What these paths mean, for a load.
    using Files = std::vector<DescriptorFile>;
    void read_paths(const std::vector<std::string>& paths, std::function<void(Files)> done);

    // The descriptor of each folder below `repos` that has one.
    void read_repos(const std::string& repos, std::function<void(Files)> done);

    // These files, by their paths.
    using ByFile = std::map<std::string, config::Descriptor>;
    void read_files(const std::vector<std::string>& files, std::function<void(ByFile)> done);

private:
    template <class T>
    void run(std::function<T()> work,
             std::function<T(const Error&)> failed,
             std::function<void(T)> done);

    loop::EventLoop& loop_;
    loop::WorkerPool& pool_;
    std::list<loop::WorkerPool::Ticket> under_way_;
};

// What read_repos() gives, read here and now.
std::vector<DescriptorFile> find_in_repos(const std::string& repos);

}  // namespace berth::apps
