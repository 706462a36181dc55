import { readFileSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { ErrorRequestHandler, Response } from "express";
import { AuthorError, codeOf, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { Reply } from "../rooms/calls.ts";
import type { Log } from "../rooms/log.ts";
import { setDeskPolicy } from "./headers.ts";
import type { Templates } from "./templates.ts";

/** What "try again later" means. */
export const RETRY_SECONDS = 2;

/** HTTP status of what was refused; everything else that may not be retried is our fault or the app's. */
const STATUS: Readonly<Record<string, number>> = {
  bad_form: 400,
  [Refusal.INVALID]: 400,
  [Refusal.NOT_JSON]: 400,
  [Refusal.TOO_LARGE]: 413,
  [Refusal.WRONG_PAGE]: 409,
  [Refusal.NUMBER_REUSED]: 409,
};

const TEXTS: Readonly<Record<number, { title: string; text: string }>> = {
  400: { title: "That could not be read", text: "Please go back, load the page again and try once more." },
  403: { title: "Not allowed", text: "This request did not come from a page of this server." },
  404: { title: "There is no such page", text: "Please check the address." },
  409: { title: "You have moved on", text: "Please load the page again." },
  413: { title: "That was too much", text: "Please go back and send less text at once." },
  500: {
    title: "An error occurred",
    text: "Nothing that you entered before is lost. Please load the page again; if it happens again, tell the person in charge.",
  },
  503: { title: "One moment, please", text: "The server cannot take this now. The page tries again by itself." },
};

/** The pages that say that something is wrong. */
export class ErrorPages {
  readonly #templates: Templates;
  readonly #root: string;
  readonly #development: boolean;

  constructor(templates: Templates, options: { root: string; development: boolean }) {
    this.#templates = templates;
    this.#root = options.root;
    this.#development = options.development;
  }

  /** A page of a few words. */
  calm(response: Response, status: number, words: { title: string; text: string; retry?: boolean }): void {
    setDeskPolicy(response);
    let refresh = 0;
    let { text } = words;
    if (words.retry === true) {
      response.set("Retry-After", String(RETRY_SECONDS));
      // A form must not be lost to a page that loads itself again by GET.
      if (response.req.method === "GET") refresh = RETRY_SECONDS;
      else
        text = "The server cannot take this now. Please reload this page in a few seconds to send your answers again.";
    }
    response
      .status(status)
      .type("html")
      .send(this.#templates.view("message.html", { title: words.title, text, refresh }));
  }

  /** A command that an actor did not carry out. */
  refused(response: Response, reply: Extract<Reply, { kind: "refused" }>): void {
    const status = reply.retry ? 503 : (STATUS[reply.code] ?? 500);
    this.#show(response, status, reply.code, reply.message, reply.stack ?? "");
  }

  /** Anything thrown while a request was answered. */
  thrown(response: Response, error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? "") : "";
    this.#show(response, statusOf(error), codeOf(error), messageOf(error), stack);
  }

  #show(response: Response, status: number, code: string, message: string, stack: string): void {
    if (this.#development && status === 500) this.#details(response, code, message, stack);
    else this.calm(response, status, { ...wordsFor(status), retry: status === 503 });
  }

  /** What an author needs in development. */
  #details(response: Response, code: string, message: string, stack: string): void {
    const frames = stack.split("\n").flatMap((line) => (/^\s+at /.test(line) ? [line.trim()] : []));
    const excerpt = frames.flatMap((frame) => this.#excerpt(frame) ?? []).at(0);
    setDeskPolicy(response);
    response
      .status(500)
      .type("html")
      .send(
        this.#templates.view("error.html", {
          code,
          message,
          frames: frames.map((frame) => this.#shorten(frame)),
          excerpt: excerpt ?? null,
        }),
      );
  }

  /** The lines around the place that a stack frame names, if that is a file of the project's own. */
  #excerpt(frame: string): { file: string; lines: { number: number; text: string; here: boolean }[] } | undefined {
    const match = /(?:\(|at )((?:file:\/\/|\/|[A-Za-z]:\\|apps\/|_templates\/)[^()]*?):(\d+):\d+\)?$/.exec(frame);
    if (match === null) return undefined;
    const [, where = "", line = ""] = match;
    const path = where.startsWith("file:") ? fileURLToPath(where) : isAbsolute(where) ? where : join(this.#root, where);
    const file = relative(this.#root, path);
    if (!/^(apps|_templates)[/\\]|^walras\.config\.ts$/.test(file)) return undefined;
    const here = Number(line);
    try {
      const lines = readFileSync(path, "utf8").split("\n");
      const first = Math.max(1, here - 4);
      return {
        file: `${file}:${here}`,
        lines: lines
          .slice(first - 1, here + 3)
          .map((text, i) => ({ number: first + i, text, here: first + i === here })),
      };
    } catch {
      return undefined;
    }
  }

  #shorten(frame: string): string {
    return frame.replaceAll("file://", "").replaceAll(`${this.#root}/`, "");
  }

  /** The last handler of the application: one log line, one page. */
  handler(log: Log): ErrorRequestHandler {
    return (error, request, response, next) => {
      const status = statusOf(error);
      // The route's pattern, not the URL, which holds the participant's code.
      const route: unknown = request.route?.path;
      const fields = {
        method: request.method,
        route: typeof route === "string" ? route : undefined,
        status,
        code: codeOf(error),
      };
      // Nobody's mistake, and while the database is away there are many: no stack.
      if (status === 503) log.warn("request put off", fields);
      else if (status >= 500) log.error("request failed", { ...fields, error });
      else log.warn("request refused", fields);
      if (response.headersSent) return next(error);
      this.thrown(response, error);
    };
  }

  /** After all routes. */
  notFound(response: Response): void {
    this.calm(response, 404, wordsFor(404));
  }
}

function wordsFor(status: number): { title: string; text: string } {
  const words = TEXTS[status] ?? TEXTS[status < 500 ? 400 : 500];
  return words ?? { title: "An error occurred", text: "" };
}

/** The HTTP status of a thrown value. */
export function statusOf(error: unknown): number {
  if (error instanceof WalrasError) return error.retry ? 503 : (STATUS[error.code] ?? 500);
  if (error instanceof AuthorError || typeof error !== "object" || error === null) return 500;
  // What Express' body parsers and router throw about a request says so itself.
  const status = "status" in error ? error.status : undefined;
  return typeof status === "number" && status >= 400 && status < 500 ? status : 500;
}
