import http from "node:http";
import https from "node:https";

/** Longest wait for a page, in milliseconds. */
const PATIENCE_MS = 30_000;

/** Connections are kept: participants come in one after the other. */
const agents = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };

/**
 * As the global fetch, as far as participants use it, at a third of its cost: pages are most of what it
 * takes to let participants in.
 */
export const pageFetch: typeof fetch = (input, init = {}) =>
  request(input, init).catch((error) => {
    // The server closes a connection that has been idle at the moment in which we use it again: as browsers
    // do, once more over a new one. What it was asked it has not read, and forms may be repeated.
    if (error instanceof StaleConnection) return request(input, init);
    throw error;
  });

class StaleConnection extends Error {}

const request: typeof fetch = (input, init = {}) =>
  new Promise((resolve, reject) => {
    const url = new URL(String(input));
    const isTls = url.protocol === "https:";
    const { method = "GET", body } = init;
    const form = body instanceof URLSearchParams ? body.toString() : body;
    if (form !== undefined && form !== null && typeof form !== "string") {
      reject(new TypeError("pageFetch takes forms and texts only"));
      return;
    }
    const headers: Record<string, string | number> = { ...(init.headers as Record<string, string>) };
    if (body instanceof URLSearchParams) headers["content-type"] = "application/x-www-form-urlencoded;charset=UTF-8";
    if (typeof form === "string") headers["content-length"] = Buffer.byteLength(form);
    else if (method !== "GET") headers["content-length"] = 0;
    const options = { method, headers, agent: isTls ? agents.https : agents.http, timeout: PATIENCE_MS };
    const sent = (isTls ? https : http).request(url, options, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const status = response.statusCode ?? 0;
        const isEmpty = status === 204 || status === 304;
        const pairs = Object.entries(response.headersDistinct).flatMap(([name, values]) =>
          (values ?? []).map((value): [string, string] => [name, value]),
        );
        resolve(new Response(isEmpty ? null : Buffer.concat(chunks), { status, headers: pairs }));
      });
    });
    sent.on("timeout", () => sent.destroy(new Error(`no answer within ${PATIENCE_MS / 1000} s`)));
    sent.on("error", (error: NodeJS.ErrnoException) => {
      const isStale = sent.reusedSocket && (error.code === "ECONNRESET" || error.code === "EPIPE");
      reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    sent.end(form ?? undefined);
  });
