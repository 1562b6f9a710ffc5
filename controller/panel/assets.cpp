#include "controller/panel/assets.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "controller/http/router.h"
#include "shared/base/text.h"
#include "shared/os/file.h"

namespace berth::panel {

namespace {

constexpr std::size_t kMaxFile = 8U << 20U;

std::string_view content_type(std::string_view path) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kTypes = {{
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".ico", "image/x-icon"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".woff2", "font/woff2"},
        {".txt", "text/plain; charset=utf-8"},
        {".map", "application/json"},
    }};
    for (const auto& [suffix, type] : kTypes) {
        if (path.size() > suffix.size() && path.substr(path.size() - suffix.size()) == suffix) {
            return type;
        }
    }
    return "application/octet-stream";
}

// Whether the panel itself shows this address, so that it is index.html.
bool is_page(std::string_view path) {
    const bool slash = path.size() > 1 && path.back() == '/';
    const auto plain = path.substr(0, path.size() - (slash ? 1 : 0));
    const auto& pages = panel_pages();
    return std::any_of(pages.begin(), pages.end(), [plain](std::string_view page) {
        return http::match_pattern(page, plain).has_value();
    });
}

// Whether a browser wants a page to show, and not a program an answer.
bool wants_page(const http::Request& request) {
    return request.header("accept").value_or("").find("text/html") != std::string_view::npos;
}

// Names of files in /assets carry a hash of their content.
std::string_view caching(std::string_view path) {
    return path.substr(0, 8) == "/assets/" ? "public, max-age=31536000, immutable" : "no-cache";
}

std::string inflate_gzip(std::string_view compressed) {
    z_stream stream{};
    constexpr int kGzip = 16 + MAX_WBITS;
    if (inflateInit2(&stream, kGzip) != Z_OK) {
        return {};
    }
    std::string input(compressed);
    stream.next_in = reinterpret_cast<Bytef*>(input.data());  // NOLINT: zlib's bytes
    stream.avail_in = static_cast<uInt>(input.size());
    std::string text;
    std::array<char, 16384> buffer;
    int done = Z_OK;
    while (done == Z_OK) {
        stream.next_out = reinterpret_cast<Bytef*>(buffer.data());  // NOLINT: zlib's bytes
        stream.avail_out = buffer.size();
        done = inflate(&stream, Z_NO_FLUSH);
        text.append(buffer.data(), buffer.size() - stream.avail_out);
    }
    (void)inflateEnd(&stream);
    return text;
}

// Only parts that cannot lead out of the folder.
bool is_plain_path(std::string_view path) {
    const auto parts = split(path.substr(1), '/');
    return std::all_of(parts.begin(), parts.end(), [](std::string_view part) {
        return !part.empty() && part.front() != '.' &&
               part.find_first_of("\\\0", 0, 2) == std::string_view::npos;
    });
}

}  // namespace

Assets::Assets(std::string folder) : folder_(std::move(folder)) {
    for (const EmbeddedFile& file : embedded_files()) {
        files_.emplace(file.path, &file);
    }
}

http::Response Assets::answer(const http::Request& request) const {
    constexpr const char* kIndex = "/index.html";
    if (is_page(request.path)) {
        return file(request, kIndex);
    }
    const auto path = http::percent_decode(request.path);
    http::Response found = path && !path->empty() && path->front() == '/'
                               ? file(request, *path)
                               : http::problem(404, "there is nothing at this address");
    if (found.status == 404 && wants_page(request)) {
        http::Request afresh = request;
        std::erase_if(afresh.headers,
                      [](const auto& field) { return field.first == "if-none-match"; });
        found = file(afresh, kIndex);
        found.status = 404;
    }
    return found;
}

http::Response Assets::file(const http::Request& request, const std::string& path) const {
    return folder_.empty() ? embedded(request, path) : from_folder(path);
}

http::Response Assets::embedded(const http::Request& request, const std::string& path) const {
    const auto found = files_.find(path);
    if (found == files_.end()) {
        return http::problem(404, "there is nothing at this address");
    }
    const EmbeddedFile& file = *found->second;
    http::Response response;
    response.with("ETag", std::string(file.etag)).with("Cache-Control", std::string(caching(path)));
    response.with("Vary", "Accept-Encoding");
    if (request.header("if-none-match").value_or("") == file.etag) {
        response.status = 304;
        return response;
    }
    response.with("Content-Type", std::string(content_type(path)));
    if (request.header("accept-encoding").value_or("").find("gzip") != std::string_view::npos) {
        response.with("Content-Encoding", "gzip");
        response.body = http::Body::of_static(file.gzip);
    } else {
        response.body = http::Body::of(inflate_gzip(file.gzip));
    }
    return response;
}

http::Response Assets::from_folder(const std::string& path) const {
    const std::string file = folder_ + path;
    auto content = is_plain_path(path) && !os::is_folder(file)
                       ? os::read_file(file, kMaxFile)
                       : Result<std::string>(fail(ErrorCode::NotFound, path));
    if (!content) {
        return http::problem(404, "there is nothing at this address");
    }
    http::Response response;
    response.with("Content-Type", std::string(content_type(path)));
    response.with("Cache-Control", "no-cache");
    response.body = http::Body::of(std::move(*content));
    return response;
}

}  // namespace berth::panel
