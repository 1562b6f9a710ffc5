#include "shared/config/instances.h"

namespace berth::config {

namespace {

void put_number(std::string& text, const std::string& number) {
    for (std::size_t at = text.find(kInstancePlaceholder); at != std::string::npos;
         at = text.find(kInstancePlaceholder, at + number.size())) {
        text.replace(at, kInstancePlaceholder.size(), number);
    }
}

AppSpec instance_of(const AppSpec& spec, std::uint32_t index) {
    const std::string number = std::to_string(index);
    AppSpec one = spec;
    one.id = spec.id + "." + number;
    one.instance = index;
    one.instance_of = spec.id;
    for (std::string& word : one.argv) {
        put_number(word, number);
    }
    for (auto& [name, value] : one.env) {
        put_number(value, number);
    }
    for (std::string* const text : {&one.name,
                                    &one.comment,
                                    &one.command,
                                    &one.cwd,
                                    &one.env_file,
                                    &one.pre_start,
                                    &one.post_stop,
                                    &one.stop.command,
                                    &one.ready.log,
                                    &one.ready.tcp,
                                    &one.ready.http,
                                    &one.ready.exec,
                                    &one.health.tcp,
                                    &one.health.http,
                                    &one.health.exec}) {
        put_number(*text, number);
    }
    return one;
}

}  // namespace

std::vector<AppSpec> expand_instances(const std::vector<AppSpec>& apps, const ScaledTo& scaled) {
    std::vector<AppSpec> expanded;
    for (const AppSpec& spec : apps) {
        if (spec.instances == 0) {
            expanded.push_back(spec);
            continue;
        }
        const std::uint32_t wanted = scaled(spec.id);
        const std::uint32_t count = wanted > 0 ? wanted : spec.instances;
        for (std::uint32_t index = 1; index <= count; ++index) {
            expanded.push_back(instance_of(spec, index));
        }
    }
    return expanded;
}

}  // namespace berth::config
