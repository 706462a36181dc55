import { readFileSync } from "node:fs";
import { isAbsolute, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import type { ErrorRequestHandler, Response } from "express";
import { AuthorError, codeOf, messageOf, WalrasError } from "../client-sdk/errors.ts";
import { Refusal } from "../client-sdk/protocol.ts";
import type { Reply } from "../rooms/calls.ts";
import type { Languages } from "../rooms/languages.ts";
import type { Log } from "../rooms/log.ts";
import type { TextKey } from "../rooms/texts/en.ts";
import { setDeskPolicy } from "./headers.ts";
import type { Templates } from "./templates.ts";

/** What "try again later" means. */
export const RETRY_SECONDS = 2;

/** HTTP status of what was refused; everything else that may not be retried is our fault or the app's. */
const STATUS: Readonly<Record<string, number>> = {
  bad_form: 400,
  unknown_form: 415,
  [Refusal.INVALID]: 400,
  [Refusal.NOT_JSON]: 400,
  [Refusal.TOO_LARGE]: 413,
  [Refusal.WRONG_PAGE]: 409,
  [Refusal.NUMBER_REUSED]: 409,
};

/** What is said to participants: each has a title and a text in every language. */
export type Notice = Extract<TextKey, `${string}Title`> extends `${infer Name}Title` ? Name : never;

const NOTICES: Readonly<Record<number, Notice>> = {
  400: "notRead",
  403: "notAllowed",
  404: "noSuchPage",
  409: "movedOn",
  413: "tooMuch",
  500: "failed",
  503: "busy",
};

/** The pages that say that something is wrong. */
export class ErrorPages {
  readonly #templates: Templates;
  readonly #languages: Languages;
  readonly #root: string;
  readonly #development: boolean;

  constructor(templates: Templates, options: { root: string; development: boolean }) {
    this.#templates = templates;
    this.#languages = templates.languages;
    this.#root = options.root;
    this.#development = options.development;
  }

  /** A page of a few words of the desk, in English. */
  calm(response: Response, status: number, words: { title: string; text: string }): void {
    this.#message(response, status, { ...words, refresh: 0 }, "en");
  }

  /**
   * A page of a few words to a participant, in the language of their session once {@link speak} was told
   * which one that is.
   *
   * @param retry the same may succeed later
   */
  tell(response: Response, status: number, notice: Notice, retry = false): void {
    const language: unknown = response.locals.language;
    const { say } = this.#languages.of(language);
    const title = say(`${notice}Title` as TextKey);
    if (retry) response.set("Retry-After", String(RETRY_SECONDS));
    // A form must not be lost to a page that loads itself again by GET.
    const isForm = retry && response.req.method !== "GET";
    const text = isForm ? say("sendAgain") : say(`${notice}Text` as TextKey);
    this.#message(response, status, { title, text, refresh: retry && !isForm ? RETRY_SECONDS : 0 }, language);
  }

  #message(
    response: Response,
    status: number,
    words: { title: string; text: string; refresh: number },
    language: unknown,
  ): void {
    setDeskPolicy(response);
    response
      .status(status)
      .type("html")
      .send(this.#templates.view("message.html", words, language));
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
    else this.tell(response, status, noticeFor(status), status === 503);
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
    this.tell(response, 404, "noSuchPage");
  }
}

function noticeFor(status: number): Notice {
  return NOTICES[status] ?? (status < 500 ? "notRead" : "failed");
}

/** From here on, whoever asked is spoken to in this language, that of a session's config. */
export function speak(response: Response, language: unknown): void {
  response.locals.language = language;
}

/** The HTTP status of a thrown value. */
export function statusOf(error: unknown): number {
  if (error instanceof WalrasError) return error.retry ? 503 : (STATUS[error.code] ?? 500);
  if (error instanceof AuthorError || typeof error !== "object" || error === null) return 500;
  // What Express' body parsers and router throw about a request says so itself.
  const status = "status" in error ? error.status : undefined;
  return typeof status === "number" && status >= 400 && status < 500 ? status : 500;
}
