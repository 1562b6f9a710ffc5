#include <cstdio>

#include "agent/modulehost/host.h"

int main(int argc, char** argv) {
    if (argc < 2) {
        (void)std::fputs("usage: berth-module-host FILE.so [ARGUMENT...]\n", stderr);
        return 2;
    }
    static berth::modulehost::Host host(argc, argv);  // its thread outlives main()
    return host.run();
}
