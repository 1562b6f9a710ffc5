import { defineConfig } from "vite";

export default defineConfig({
    esbuild: { jsx: "automatic", jsxImportSource: "preact" },
    experimental: {
        // The panel may be served below any path: scripts find each other from where they are, and index.html's
        // addresses are the controller's to write.
        renderBuiltUrl: (_, { hostType }) => (hostType === "html" ? undefined : { relative: true }),
    },
    build: {
        target: "es2022",
        // The Content-Security-Policy knows no data: scripts or styles, so nothing may be inlined.
        assetsInlineLimit: 0,
        modulePreload: { polyfill: false },
        reportCompressedSize: true,
    },
    server: {
        proxy: { "/api": { target: "http://127.0.0.1:8088", ws: true } },
    },
});
