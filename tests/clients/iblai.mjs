// Drives @iblai/iblai-api for tests/it/iblai.rs: a request is a JSON object on a line of standard input, and so is its answer on
// standard output. What is asked and what must come of it stands in the test.
import readline from "node:readline";
import { ApiError, CatalogService, OpenAPI } from "@iblai/iblai-api";

async function answer({ base, key, token, call, argument }) {
    OpenAPI.BASE = base;
    OpenAPI.HEADERS = key === undefined ? undefined : { Authorization: key };
    OpenAPI.TOKEN = token;
    try {
        return { value: (await CatalogService[call](argument)) ?? null };
    } catch (error) {
        return error instanceof ApiError ? { status: error.status, body: error.body } : { thrown: String(error) };
    }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
}
