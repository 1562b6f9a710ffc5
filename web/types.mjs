// Makes src/openapi.ts, the types of the API, from the document that berth-controller describes it with.
// usage: npm run types DOCUMENT [OUTPUT]
import { readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const FIRST_LINE =
    "// Made by `npm run types` from what `berth-controller openapi` prints; see web/README.md. Not to be edited.\n";

const [document, output = new URL("src/openapi.ts", import.meta.url)] = process.argv.slice(2);
if (document === undefined) {
    console.error("usage: npm run types DOCUMENT [OUTPUT]");
    process.exit(2);
}
const syntax = await openapiTS(await readFile(document, "utf8"));
await writeFile(output, FIRST_LINE + astToString(syntax));
