#pragma once

#include <string_view>

// One description of a struct's members, from which come what is said between processes, JSON, and
// the schema of that JSON. A struct has
//
//   template <class IO, class Self> static void fields(IO& io, Self& self) {
//       io("id", self.id);                                   // a member, the same name everywhere
//       io(Field{"cpu_percent", "cpu"}, self.cpu_percent);   // another name between processes
//       io.derived("active", [&] { return is_active(self.state); });  // shown, and said nowhere
//
// Who reads, writes or describes them is an IO.
namespace berth {

struct Field {
    // NOLINTNEXTLINE(google-explicit-constructor): literals
    constexpr Field(const char* everywhere) : shown(everywhere), said(everywhere) {}

    constexpr Field(std::string_view shown_in,
                    std::string_view said_in,
                    std::string_view help_in = {})
        : shown(shown_in), said(said_in), help(help_in) {}

    std::string_view shown;  // in JSON; "": it is not there
    std::string_view said;   // between processes; "": it is not there
    std::string_view help;   // in the schema
};

}  // namespace berth
