#pragma once

#include "shared/json/json_value.h"
#include "shared/json/json_writer.h"
#include "shared/wire/value.h"

// Payloads of messages between JSON, which people write, and msgpack, which apps read.
namespace berth::mail {

// wire::encode() of it is the payload.
wire::Value value_of(const json::JsonValue& json);

void write_value(json::JsonWriter& json, const wire::Value& value);

}  // namespace berth::mail
