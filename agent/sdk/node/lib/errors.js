"use strict";

class IpcError extends Error {
    constructor(code, message, info = {}) {
        super(message);
        this.name = "IpcError";
        this.code = code;
        this.info = info;
    }
}

class Disconnected extends IpcError {
    constructor(message) {
        super(503, message);
        this.name = "Disconnected";
    }
}

class Timeout extends IpcError {
    constructor(message = "no answer in time") {
        super(504, message);
        this.name = "Timeout";
    }
}

module.exports = { Disconnected, IpcError, Timeout };
