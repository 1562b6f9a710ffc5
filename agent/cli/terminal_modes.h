#pragma once

#include <set>
#include <string>
#include <string_view>

namespace berth::cli {

// What a program has done to a terminal by what it wrote: another screen, the mouse, pasted text in
// brackets, a hidden cursor. Kept so that the terminal can be put right when the program is left
// while it runs. Knows DEC's private modes (CSI ? … h and l), the keypad's and colours; reads on
// over pieces that end anywhere.
class TerminalModes {
public:
    void take(std::string_view written);

    // What undoes it, in the order that a terminal wants; "": nothing is to be undone.
    [[nodiscard]] std::string undo() const;

private:
    enum class At : unsigned char { Text, Escape, Control, Private };

    void end_private(char final);

    At at_ = At::Text;
    std::string numbers_;   // of the sequence that is read
    std::set<int> set_;     // modes that are on, and are off in a terminal that nobody has touched
    std::set<int> reset_;   // those that are off, and are on there
    bool keypad_ = false;   // sends codes of its own
    bool colours_ = false;  // perhaps
};

}  // namespace berth::cli
