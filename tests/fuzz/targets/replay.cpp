#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/targets/target.h"

// Feeds the files below its arguments to the target, each also cut short at every place near its
// ends. Fails when there are none.
int main(int argc, char** argv) {
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < argc; ++i) {
        for (const auto& entry : std::filesystem::directory_iterator(argv[i])) {
            files.push_back(entry.path());
        }
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) {
        std::ifstream opened(file, std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(opened), {}};
        (void)std::fprintf(stderr, "%s\n", file.filename().c_str());
        fuzz_one(bytes);
        constexpr std::size_t kCuts = 64;
        for (std::size_t cut = 1; cut <= std::min(kCuts, bytes.size()); ++cut) {
            // Copies: what is read behind them is found.
            fuzz_one(std::string(bytes, 0, bytes.size() - cut));
            fuzz_one(std::string(bytes, 0, cut));
        }
    }
    (void)std::printf("%zu files\n", files.size());
    return files.empty() ? 1 : 0;
}
