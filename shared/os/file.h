#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/base/result.h"

namespace berth::os {

// The whole of a regular file or FIFO-less special file (such as /proc). TooLarge beyond `limit`.
Result<std::string> read_file(const std::string& path, std::size_t limit = 16U << 20U);

// The same of a file below `folder`, whose path may not lead out of it, through links neither.
Result<std::string> read_file_beneath(const std::string& folder,
                                      const std::string& path,
                                      std::size_t limit = 16U << 20U);

// Who but we may change the file, or put another in its place: "it belongs to user 1000"; nothing
// when that is nobody, or root.
std::optional<std::string> changed_by_others(const std::string& path);

// At most the first `size` bytes of a file.
Result<std::string> read_start(const std::string& path, std::size_t size);

// Whether what is written is on the disk when the call returns. `Later`: when the system does so by
// itself; a loss of power before may leave an empty file, and costs no wait for the disk.
enum class Sync : std::uint8_t { Now, Later };

// Replaces `path` in one step: the death of a process leaves the old content or the new, never a
// part; with Sync::Now that of the machine too.
Result<void> replace_file(const std::string& path,
                          std::string_view content,
                          unsigned mode = 0600,
                          Sync sync = Sync::Now);

// What is in the file, and its name, are on the disk when it returns.
Result<void> sync_file(const std::string& path);

// Makes the folder and what is missing above it, with mode 0700.
Result<void> make_folders(const std::string& path);

// Makes an SQLite database, and the files beside it, readable by its owner alone; makes an empty
// one where there is none. To be called before it is opened.
Result<void> make_database_private(const std::string& path);

// Lets every user pass through a folder to names in it that they know; what is in it stays hidden.
Result<void> let_pass(const std::string& folder);

// Names in the folder, sorted, without "." and "..".
Result<std::vector<std::string>> list_folder(const std::string& path);

// The same, only folders. Where the file system names the kinds (all that matter) without a look
// at each entry.
Result<std::vector<std::string>> folders_in(const std::string& path);

// Removes a file or a whole tree, without following links; done already is fine.
Result<void> remove_tree(const std::string& path);

bool exists(const std::string& path);

// Tells whether a file is still the one that was looked at, and as it was.
struct FileStamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t size = 0;
    std::int64_t changed_ns = 0;  // by the clock of its file system

    friend bool operator==(const FileStamp&, const FileStamp&) = default;
};

// Nothing: there is no such file.
std::optional<FileStamp> stamp_of(const std::string& path);

bool is_folder(const std::string& path);

// The absolute path without "." and ".." and links. Error when it does not exist.
Result<std::string> real_path(const std::string& path);

// `path` made absolute with the working directory, "." and ".." resolved in the text alone.
std::string absolute_path(const std::string& path, const std::string& base = {});

Result<std::string> current_folder();

// Where the open file or folder is now, however often it was moved. Nothing: it was removed.
std::optional<std::string> path_of(int fd);

// The executable of this process, and a sibling of it.
Result<std::string> sibling_executable(std::string_view name);

}  // namespace berth::os
