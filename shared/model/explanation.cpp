#include "shared/model/explanation.h"

namespace berth {

std::string Explanation::text(const std::string& when) const {
    const std::string name(kAppStateNames.name(state));
    const bool said = cause.rfind(name, 0) == 0;  // "stopped by admin", "exited 0 after 4 ms"
    std::string text = (said ? "" : name + ": ") + cause + " (since " + when + ")";
    for (const std::string& sentence : evidence) {
        text += "; " + sentence;
    }
    if (!next.empty()) {
        text += "; " + next;
    }
    if (!lines.empty()) {
        text += "; last lines:";
        for (const std::string& line : lines) {
            text += "\n  " + line;
        }
    }
    return text;
}

}  // namespace berth
