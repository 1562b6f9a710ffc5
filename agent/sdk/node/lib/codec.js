"use strict";
// Headers and payloads, as the relay and the other clients have them.

const { decode, encode } = require("./msgpack");

module.exports = { decodeHeader: decode, decodePayload: decode, encodeHeader: encode, encodePayload: encode };
