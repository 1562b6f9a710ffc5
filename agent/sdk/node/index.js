"use strict";
// Messages from Node.js: see README.md. What a call does and gives is in index.d.ts.

const { Client } = require("./lib/client");
const { Disconnected, IpcError, Timeout } = require("./lib/errors");

function connect(options = {}) {
    return new Client(options);
}

module.exports = { Client, Disconnected, IpcError, Timeout, connect };
