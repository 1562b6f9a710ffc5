#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "controller/http/request.h"
#include "controller/http/response.h"

namespace berth::panel {

// One file of the built panel, as the build embeds it.
struct EmbeddedFile {
    std::string_view path;  // "/assets/index-Ab12.js"
    std::string_view etag;  // quoted
    std::string_view gzip;  // the content, compressed
};

// What the build has embedded; defined by the generated source.
const std::vector<EmbeddedFile>& embedded_files();

// The patterns of the addresses that the panel shows itself ("/apps/{agent}/{id}"), from
// web/src/pages.json; defined by the generated source.
const std::vector<std::string_view>& panel_pages();

// Answers the requests for pages and files of the panel. Immutable after its construction; any
// thread, but a folder is read when it is asked for, which blocks.
class Assets {
public:
    // `folder`: serves this folder instead of the embedded files, for development; "" for none.
    // `prefix`: the path that browsers find the panel below, "" for none. It is written into
    // index.html, whose addresses are whole paths: base-uri is 'none', so that <base> is not.
    Assets(std::string folder, std::string prefix);

    // The addresses of the panel's own pages answer index.html. What is not there is a 404, whose
    // text, for a browser that asks for a page, is the panel: it says so and knows the way back.
    [[nodiscard]] http::Response answer(const http::Request& request) const;

    // Whether there is a page or a file at this path, as it was sent; of a folder every path is
    // one.
    [[nodiscard]] bool has(const std::string& path) const;

    // Whether answer() may block.
    [[nodiscard]] bool reads_folder() const { return !folder_.empty(); }

private:
    [[nodiscard]] http::Response file(const http::Request& request, const std::string& path) const;
    [[nodiscard]] http::Response embedded(const http::Request& request,
                                          const std::string& path) const;
    [[nodiscard]] http::Response from_folder(const std::string& path) const;

    // A file in both forms that it is sent in.
    struct File {
        std::string etag;  // of the content, quoted; that of the compressed form is another
        std::string gzip_etag;
        http::Body gzip;
        http::Body plain;  // empty: inflated when it is asked for
    };

    std::string folder_;
    std::string prefix_;
    std::map<std::string_view, File> files_;
};

}  // namespace berth::panel
