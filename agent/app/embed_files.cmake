# Writes OUT, a C++ source that holds FILES as texts: see agent/app/python_sdk.h.
set(entries "")
list(LENGTH FILES count)
foreach(file IN LISTS FILES)
    cmake_path(GET file FILENAME name)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(MAKE_C_IDENTIFIER ${name} identifier)
    string(APPEND arrays "constexpr unsigned char k_${identifier}[] = {${bytes}};\n")
    string(APPEND entries "    {\"${name}\", {reinterpret_cast<const char*>(k_${identifier}), sizeof k_${identifier}}},\n")
endforeach()
file(WRITE ${OUT} "#include \"agent/app/python_sdk.h\"

namespace berth::app {

namespace {

${arrays}
}  // namespace

std::vector<std::pair<std::string_view, std::string_view>> python_sdk() {
    return {
${entries}    };
}

}  // namespace berth::app
")
