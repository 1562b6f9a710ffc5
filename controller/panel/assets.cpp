#include "controller/panel/assets.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "controller/face/answers.h"
#include "controller/face/pattern.h"
#include "controller/http/negotiation.h"
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
    const bool slash = path.size() > 2 && path.back() == '/';  // "//" is not "/"
    const auto plain = path.substr(0, path.size() - (slash ? 1 : 0));
    const auto& pages = panel_pages();
    return std::any_of(pages.begin(), pages.end(), [plain](std::string_view page) {
        return face::match_pattern(page, plain).has_value();
    });
}

// Whether a browser wants a page to show, and not a program an answer.
bool wants_page(const http::Request& request) {
    return http::accepts_media(request.header("accept").value_or(""), "text/html");
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

std::string deflate_gzip(std::string_view text) {
    z_stream stream{};
    constexpr int kGzip = 16 + MAX_WBITS;
    constexpr int kMemory = 8;
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, kGzip, kMemory, Z_DEFAULT_STRATEGY) !=
        Z_OK) {
        return {};
    }
    std::string input(text);
    std::string output(deflateBound(&stream, static_cast<uLong>(input.size())), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(input.data());  // NOLINT: zlib's bytes
    stream.avail_in = static_cast<uInt>(input.size());
    stream.next_out = reinterpret_cast<Bytef*>(output.data());  // NOLINT: zlib's bytes
    stream.avail_out = static_cast<uInt>(output.size());
    (void)deflate(&stream, Z_FINISH);  // the bound makes it fit
    output.resize(stream.total_out);
    (void)deflateEnd(&stream);
    return output;
}

constexpr std::string_view kIndex = "/index.html";

// The page with its own addresses, which begin with a slash, below `prefix`.
std::string below(std::string page, const std::string& prefix) {
    for (const std::string_view attribute :
         {"href=\"/", "src=\"/", "name=\"berth-base\" content=\""}) {
        for (std::size_t at = page.find(attribute); at != std::string::npos;
             at = page.find(attribute, at + attribute.size())) {
            const bool slash = attribute.back() == '/';
            page.insert(at + attribute.size() - (slash ? 1 : 0), prefix);
            at += prefix.size();
        }
    }
    return page;
}

// Another tag for another form: `"abc"` with `-gz` is `"abc-gz"`.
std::string etag_with(std::string_view etag, std::string_view suffix) {
    return std::string(etag.substr(0, etag.size() - 1)) + std::string(suffix) + '"';
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

Assets::Assets(std::string folder, std::string prefix)
    : folder_(std::move(folder)), prefix_(std::move(prefix)) {
    for (const EmbeddedFile& embedded : embedded_files()) {
        File file;
        file.etag = embedded.etag;
        file.gzip = http::Body::of_static(embedded.gzip);
        if (embedded.path == kIndex && !prefix_.empty()) {
            std::string page = below(inflate_gzip(embedded.gzip), prefix_);
            std::string suffix = "-below" + prefix_;
            std::replace(suffix.begin(), suffix.end(), '/', '.');
            file.etag = etag_with(embedded.etag, suffix);
            file.gzip = http::Body::of(deflate_gzip(page));
            file.plain = http::Body::of(std::move(page));
        }
        file.gzip_etag = etag_with(file.etag, "-gz");
        files_.emplace(embedded.path, std::move(file));
    }
}

http::Response Assets::answer(const http::Request& request) const {
    if (is_page(request.path)) {
        return file(request, std::string(kIndex));
    }
    const auto path = http::percent_decode(request.path);
    http::Response found = path && !path->empty() && path->front() == '/'
                               ? file(request, *path)
                               : face::problem(404, "there is nothing at this address");
    if (found.status == 404 && wants_page(request)) {
        http::Request afresh = request;
        std::erase_if(afresh.headers,
                      [](const auto& field) { return field.first == "if-none-match"; });
        found = file(afresh, std::string(kIndex));
        found.status = 404;
    }
    return found;
}

bool Assets::has(const std::string& path) const {
    const auto plain = http::percent_decode(path);
    return is_page(path) || !folder_.empty() || (plain && files_.count(*plain) != 0);
}

http::Response Assets::file(const http::Request& request, const std::string& path) const {
    return folder_.empty() ? embedded(request, path) : from_folder(path);
}

http::Response Assets::embedded(const http::Request& request, const std::string& path) const {
    const auto found = files_.find(path);
    if (found == files_.end()) {
        return face::problem(404, "there is nothing at this address");
    }
    const File& file = found->second;
    const bool gzip = http::accepts_gzip(request.header("accept-encoding").value_or(""));
    const std::string& etag = gzip ? file.gzip_etag : file.etag;
    http::Response response;
    response.with("ETag", etag).with("Cache-Control", std::string(caching(path)));
    response.with("Vary", "Accept-Encoding");
    if (http::names_etag(request.header("if-none-match").value_or(""), etag)) {
        response.status = 304;
        return response;
    }
    response.with("Content-Type", std::string(content_type(path)));
    if (gzip) {
        response.with("Content-Encoding", "gzip");
        response.body = file.gzip;
    } else {
        response.body = file.plain.bytes().empty() ? http::Body::of(inflate_gzip(file.gzip.bytes()))
                                                   : file.plain;
    }
    return response;
}

http::Response Assets::from_folder(const std::string& path) const {
    const std::string file = folder_ + path;
    auto content = is_plain_path(path) && !os::is_folder(file)
                       ? os::read_file(file, kMaxFile)
                       : Result<std::string>(fail(ErrorCode::NotFound, path));
    if (!content) {
        return face::problem(404, "there is nothing at this address");
    }
    http::Response response;
    response.with("Content-Type", std::string(content_type(path)));
    response.with("Cache-Control", "no-cache");
    response.body =
        http::Body::of(path == kIndex ? below(std::move(*content), prefix_) : std::move(*content));
    return response;
}

}  // namespace berth::panel
