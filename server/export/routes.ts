import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import express, { type Request, type RequestHandler, type Response, type Router } from "express";
import { codeOf, messageOf, WalrasError } from "../../client-sdk/errors.ts";
import type { AppSpec } from "../../entities/app-spec.ts";
import type { DatabaseOptions } from "../../entities/open-store.ts";
import type { Log } from "../../rooms/log.ts";
import { choose, listing } from "./catalog.ts";
import { Exports, type RunningExport } from "./children.ts";
import type { Format } from "./formats.ts";
import { type ExportJob, fileName } from "./job.ts";
import { noteOn } from "./note.ts";

/** How long a finished download is kept, in milliseconds. */
const KEPT = 30 * 60_000;
/** What may be kept at once. */
const KEPT_FILES = 20;

export interface ExportRoutes {
  readonly root: string;
  readonly database: DatabaseOptions;
  readonly apps: ReadonlyMap<string, AppSpec>;
  readonly log: Log;
  readonly guard: RequestHandler;
  readonly own: RequestHandler;
  /** One of the server's own pages. */
  show(response: Response, view: string, variables: Record<string, unknown>, status?: number): void;
  now?(): number;
}

/** A download that is made, or has been made, in a file of its own. */
interface Prepared {
  readonly title: string;
  readonly name: string;
  readonly session: string | undefined;
  readonly running: RunningExport;
  readonly file: string;
  state: "running" | "ready" | "failed";
  error: string;
}

/**
 * The data page, its downloads with their progress, and addresses for scripts: `/export/file?what=wide`
 * gives the data at once, as fast as they are read.
 */
export function exportRoutes(options: ExportRoutes): Router {
  const { guard, own, show, log, now = Date.now } = options;
  const router = express.Router();
  const exports = new Exports();
  const prepared = new Map<string, Prepared>();
  let folder: string | undefined;

  const jobOf = (request: Request): { job: ExportJob; name: string; title: string } => {
    const asked: Record<string, unknown> = { ...request.query, ...(request.body as object | undefined) };
    const { what = "all", session, format = "csv", spreadsheet } = asked;
    if (format !== "csv" && format !== "json") {
      throw new WalrasError("no_such_format", `There is no format ${String(format)}; there are csv and json.`);
    }
    const job: ExportJob = {
      root: options.root,
      ...options.database,
      what: String(what),
      session: typeof session === "string" && session !== "" ? session : undefined,
      // The archive is of CSV files; the page's choice is for single tables.
      format: what === "all" ? "csv" : (format satisfies Format),
      spreadsheet: spreadsheet === "1",
    };
    const sets = listing(options.apps);
    const { file, title } = job.what === "all" ? { file: "all_data", title: "Everything" } : choose(sets, job.what);
    return { job, title, name: fileName(job, file, now()) };
  };

  const fail = (response: Response, error: unknown): void => {
    const code = codeOf(error);
    if (!(error instanceof WalrasError)) log.error("an export failed", { error });
    show(
      response,
      "export-failed.html",
      { message: messageOf(error) },
      code === "busy" ? 503 : code.startsWith("no_such") ? 404 : 500,
    );
  };

  router.get("/export", guard, (request, response) => {
    const session = typeof request.query.session === "string" ? request.query.session : "";
    show(response, "export.html", { session, tables: listing(options.apps) });
  });

  // For scripts, and for oTree's addresses: the data as they are read.
  const atOnce = async (request: Request, response: Response): Promise<void> => {
    let running: RunningExport;
    let name: string;
    try {
      const asked = jobOf(request);
      name = asked.name;
      running = exports.start(asked.job);
    } catch (error) {
      return fail(response, error);
    }
    response.once("close", () => running.cancel());
    // Headers wait for the first data: until then, a failure can be told.
    const failure = await begun(running).catch((error: unknown) => ({ error }));
    if (failure !== undefined) return fail(response, failure.error);
    response.set({
      "Content-Type": typeOf(name),
      "Content-Disposition": `attachment; filename="${name}"`,
      "Cache-Control": "no-store",
    });
    // A failure in the middle breaks the connection off, so that half of a table does not pass for the whole.
    running.done.catch((error: unknown) => {
      log.error("an export failed", { error: messageOf(error) });
      response.destroy();
    });
    running.data.pipe(response, { end: false });
    await running.done.then(
      () => response.end(),
      () => {},
    );
  };
  router.get("/export/file", guard, atOnce);
  router.get("/ExportSessionWide/:code", guard, (request, response) => {
    const excel = request.query.excel === undefined ? "" : "&spreadsheet=1";
    response.redirect(303, `/export/file?what=wide&session=${encodeURIComponent(String(request.params.code))}${excel}`);
  });
  router.get("/chat_export", guard, (_request, response) => response.redirect(303, "/export/file?what=chat"));
  router.get("/ExportPageTimes", guard, (_request, response) => response.redirect(303, "/export/file?what=page_times"));

  const form = express.urlencoded({ extended: false, limit: 10_000 });
  router.post("/export", guard, own, form, async (request, response) => {
    try {
      const { job, name, title } = jobOf(request);
      const running = exports.start(job);
      folder ??= await temporaryFolder();
      const id = randomBytes(12).toString("base64url");
      const file = join(folder, id);
      const one: Prepared = { title, name, session: job.session, running, file, state: "running", error: "" };
      keep(id, one);
      void prepare(one);
      response.redirect(303, `/export/${id}`);
    } catch (error) {
      fail(response, error);
    }
  });

  router.get("/export/:id", guard, (request, response, next) => {
    const id = String(request.params.id);
    const one = prepared.get(id);
    if (one === undefined) return next();
    const { rows, total } = one.running.progress;
    const percent = total === undefined || total === 0 ? null : Math.min(99, Math.floor((100 * rows) / total));
    const { title, name, state, error, session = "" } = one;
    const note = noteOn(one.running.progress.removedApps);
    show(response, "export-progress.html", { id, title, name, state, error, session, rows, percent, note });
  });

  router.get("/export/:id/download", guard, (request, response, next) => {
    const one = prepared.get(String(request.params.id));
    if (one?.state !== "ready") return next();
    response.set({
      "Content-Type": typeOf(one.name),
      "Content-Disposition": `attachment; filename="${one.name}"`,
      "Cache-Control": "no-store",
    });
    createReadStream(one.file).once("error", next).pipe(response);
  });

  async function prepare(one: Prepared): Promise<void> {
    try {
      const written = pipeline(one.running.data, createWriteStream(one.file, { mode: 0o600 }));
      await Promise.all([written, one.running.done]);
      one.state = "ready";
    } catch (error) {
      log.error("an export failed", { error: messageOf(error) });
      one.error = messageOf(error);
      one.state = "failed";
    }
  }

  function keep(id: string, one: Prepared): void {
    const forget = (old: string): void => {
      const gone = prepared.get(old);
      prepared.delete(old);
      gone?.running.cancel();
      if (gone !== undefined) void rm(gone.file, { force: true });
    };
    const [oldest] = prepared.keys();
    if (prepared.size >= KEPT_FILES && oldest !== undefined) forget(oldest);
    prepared.set(id, one);
    setTimeout(() => forget(id), KEPT).unref();
  }

  return router;
}

/** Resolves when there are data to send, or when all went well without any. @throws what `done` throws, if that comes first */
function begun({ data, done }: RunningExport): Promise<void> {
  return new Promise((resolve, reject) => {
    // It is also emitted at the end, when there is nothing.
    data.once("readable", () => data.readableLength > 0 && resolve());
    done.then(resolve, reject);
  });
}

/** For finished downloads: these are people's answers, and do not outlive the server. */
async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "walras-export-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

function typeOf(name: string): string {
  if (name.endsWith(".zip")) return "application/zip";
  return name.endsWith(".json") ? "application/json" : "text/csv; charset=utf-8";
}
