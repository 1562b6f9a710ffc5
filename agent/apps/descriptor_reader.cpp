#include "agent/apps/descriptor_reader.h"

#include "shared/os/file.h"

namespace berth::apps {

namespace {

constexpr Duration kLongest = std::chrono::seconds(10);

config::Descriptor problem_of(const std::string& file, const Error& error) {
    config::Descriptor descriptor;
    descriptor.problems.push_back(file + ": cannot be read: " + error.message);
    return descriptor;
}

DescriptorReader::Files unread(const std::vector<std::string>& paths, const Error& error) {
    DescriptorReader::Files files;
    for (const std::string& path : paths) {
        files.push_back({path, problem_of(path, error), {}});
    }
    return files;
}

}  // namespace

std::vector<DescriptorFile> find_in_repos(const std::string& repos) {
    std::vector<DescriptorFile> files;
    const auto names = os::list_folder(repos);
    for (const std::string& name : names ? *names : std::vector<std::string>()) {
        if (const auto file = config::find_descriptor(repos + "/" + name)) {
            files.push_back({*file, config::read_descriptor(*file), {}});
        }
    }
    return files;
}

template <class T>
void DescriptorReader::run(std::function<T()> work,
                           std::function<T(const Error&)> failed,
                           std::function<void(T)> done) {
    under_way_.remove_if([](const auto& ticket) { return !ticket.active(); });
    under_way_.push_back(pool_.run<T>(
        loop_,
        loop::WorkerPool::Lane::Short,
        kLongest,
        [work = std::move(work)](const loop::WorkerPool::Control& /*control*/) -> Result<T> {
            return work();
        },
        [failed = std::move(failed), done = std::move(done)](Result<T> result) {
            done(result ? std::move(*result) : failed(result.error()));
        }));
}

void DescriptorReader::read_paths(const std::vector<std::string>& paths,
                                  std::function<void(Files)> done) {
    run<Files>([paths] { return read_for_load(paths); },
               [paths](const Error& error) { return unread(paths, error); },
               std::move(done));
}

void DescriptorReader::read_repos(const std::string& repos, std::function<void(Files)> done) {
    run<Files>([repos] { return find_in_repos(repos); },
               [repos](const Error& error) { return unread({repos}, error); },
               std::move(done));
}

void DescriptorReader::read_files(const std::vector<std::string>& files,
                                  std::function<void(ByFile)> done) {
    run<ByFile>(
        [files] {
            ByFile read;
            for (const std::string& file : files) {
                read.emplace(file, config::read_descriptor(file));
            }
            return read;
        },
        [files](const Error& error) {
            ByFile read;
            for (const std::string& file : files) {
                read.emplace(file, problem_of(file, error));
            }
            return read;
        },
        std::move(done));
}

}  // namespace berth::apps
